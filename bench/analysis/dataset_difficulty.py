"""Difficulty of datasets for one backbone: the newest measurements, covariates of trends, and axes of a chart. Pure."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

RTD = "relative_transfer_difficulty"
"""Chance accuracy divided by zero-shot accuracy (APEX)."""
COVARIATES = (RTD, "chance", "zero_shot_error")
"""RTD mostly reflects the number of classes, and gains mostly reflect the zero-shot error, so all three are shown."""
AXES = (
    RTD,
    "separability_pairwise",
    "separability_prototype",
    "text_distance_mean",
    "text_distance_nearest",
    "zero_shot_margin",
    "zero_shot_ece",
    "domain_distance",
)
"""Measures that can be the x axis of a chart, besides the zero-shot error and the chance accuracy."""
ZERO_SHOT_ACCURACY = "zero_shot_accuracy"


@dataclass
class Measured:
    """Difficulty of a dataset for one backbone: `values` by (measure, split), `n_classes` by split."""

    values: dict[tuple[str, str], float] = field(default_factory=dict)
    n_classes: dict[str, int] = field(default_factory=dict)

    def by_split(self, measure: str) -> dict[str, float]:
        """The values of a measure by split."""
        return {split: value for (name, split), value in self.values.items() if name == measure}


def measured_datasets(difficulty: pd.DataFrame, backbone: str) -> defaultdict[str, Measured]:
    """The newest measurement of every dataset, empty for unmeasured datasets, from the store's `difficulty_frame()`."""
    by_dataset: defaultdict[str, Measured] = defaultdict(Measured)
    rows = difficulty[difficulty["backbone"] == backbone]
    if "created_at" in rows:
        rows = rows.sort_values("created_at", kind="stable")
    columns = (rows[name].tolist() for name in ("dataset", "measure", "split", "value", "n_classes"))
    for dataset, measure, split, value, n_classes in zip(*columns, strict=True):
        if value is not None and not math.isnan(value):
            by_dataset[dataset].values[measure, split] = float(value)
            by_dataset[dataset].n_classes[split] = int(n_classes)
    return by_dataset


def covariates(difficulty: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Covariates by name and dataset.

    The frame has one row per dataset of one backbone with `dataset`, `n_classes`, `zero_shot_accuracy` and
    `relative_transfer_difficulty`: `bench.papers.published_difficulty`, or `difficulty_frame()` pivoted by measure.
    """
    rows = difficulty
    columns = (rows[RTD], 1 / rows["n_classes"], 1 - rows[ZERO_SHOT_ACCURACY])
    datasets = [str(name) for name in rows["dataset"]]
    return {
        name: dict(zip(datasets, map(float, column), strict=True))
        for name, column in zip(COVARIATES, columns, strict=True)
    }


def axis_values(measured: Mapping[str, Measured], split: str, datasets: Sequence[str]) -> dict[str, dict[str, float]]:
    """Values of one class split on every axis by dataset; on the logarithmic axis of RTD only positive ones."""
    by_axis: dict[str, dict[str, float]] = {}
    for axis in AXES:
        values = {name: measured[name].values.get((axis, split)) for name in datasets}
        by_axis[axis] = {name: x for name, x in values.items() if x is not None and (x > 0 or axis != RTD)}
    zero_shot = {name: measured[name].values.get((ZERO_SHOT_ACCURACY, split)) for name in datasets}
    by_axis["zero_shot_error"] = {name: 1 - accuracy for name, accuracy in zero_shot.items() if accuracy is not None}
    by_axis["chance"] = {name: 1 / n for name in datasets if (n := measured[name].n_classes.get(split))}
    return by_axis
