"""Difficulty of each dataset for the backbone."""

from collections import defaultdict
from dataclasses import dataclass, field, replace

import pandas as pd

from bench.analysis.leaderboard import OPEN, H
from reports.views import DatasetView, ExampleView, MeasureView

MEASURES = {
    "relative_transfer_difficulty": "Relative transfer difficulty",
    "relative_transfer_difficulty_macro_precision": "Relative transfer difficulty, macro precision",
    "zero_shot_accuracy": "Zero-shot accuracy",
    "chance": "Chance accuracy",
    "zero_shot_margin": "Zero-shot margin",
    "zero_shot_nll": "Zero-shot negative log-likelihood",
    "zero_shot_ece": "Zero-shot calibration error",
    "separability_pairwise": "Class separability, pairwise",
    "separability_prototype": "Class separability, prototypes",
    "intra_cosine": "Cosine within classes",
    "inter_cosine": "Cosine between classes",
    "text_distance_mean": "Class text distance, mean",
    "text_distance_nearest": "Class text distance, nearest",
    "domain_distance": "Domain distance, images to texts",
}
AXES = (
    "relative_transfer_difficulty",
    "separability_pairwise",
    "separability_prototype",
    "text_distance_mean",
    "text_distance_nearest",
    "zero_shot_margin",
    "zero_shot_ece",
    "domain_distance",
)
DIFFICULTY = AXES[0]
LOG_AXES = {DIFFICULTY}
SPLIT_OF = {"base": "base", "new": "new", OPEN: "all", H: "all", "all": "all"}
"""Class split whose difficulty belongs to a measure; H covers both halves."""


@dataclass
class Measured:
    """Difficulty of a dataset for one backbone: `values` by (measure, split), `n_classes` by split."""

    values: dict[tuple[str, str], float] = field(default_factory=dict)
    n_classes: dict[str, int] = field(default_factory=dict)


def measured_datasets(difficulty: pd.DataFrame, backbone: str) -> defaultdict[str, Measured]:
    """The newest measurement of every dataset, empty for unmeasured datasets."""
    found: defaultdict[str, Measured] = defaultdict(Measured)
    rows = difficulty[difficulty["backbone"] == backbone]
    if "created_at" in rows:
        rows = rows.sort_values("created_at", kind="stable")
    for row in rows.dropna(subset=["value"]).to_dict("records"):
        measured = found[str(row["dataset"])]
        measured.values[str(row["measure"]), str(row["split"])] = float(row["value"])
        measured.n_classes[str(row["split"])] = int(row["n_classes"])
    return found


def dataset_view(facts: DatasetView, measured: Measured, examples: tuple[ExampleView, ...]) -> DatasetView:
    """A dataset of a board; measures without a title come last, under their own name."""
    by_measure: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for (measure, split), value in measured.values.items():
        by_measure[measure][split] = value
    order = [*(known for known in MEASURES if known in by_measure), *sorted(by_measure.keys() - MEASURES.keys())]
    measures = tuple(MeasureView(measure, MEASURES.get(measure, measure), by_measure[measure]) for measure in order)
    return replace(facts, n_classes=dict(measured.n_classes), measures=measures, examples=examples)
