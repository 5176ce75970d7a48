"""Difficulty of each dataset for the backbone, and scores against difficulty."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import pandas as pd

from bench.analysis.difficulty_trend import fit_trend
from bench.analysis.leaderboard import H, Leaderboard
from bench.statistics import spearman
from reports.views import AxisView, DatasetView, ExampleView, MeasureView, PointView, TrendView

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
LOG_AXES = {"relative_transfer_difficulty"}
SPLIT_OF = {"base": "base", "new": "new", H: "all", "all": "all"}
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


def points_of(board: Leaderboard, measured: Mapping[str, Measured], axes: Sequence[AxisView]) -> tuple[PointView, ...]:
    """Every entry on every dataset but the source, where the difficulty of the panel's classes is known."""
    points = []
    for entry in board.entries:
        for dataset, cell in entry.cells.items():
            if dataset == board.setting.source:
                continue
            for panel in board.measures:
                values = measured[dataset].values
                split = SPLIT_OF[panel]
                difficulty = {
                    axis.name: values[axis.name, split]
                    for axis in axes
                    if (axis.name, split) in values and (not axis.log or values[axis.name, split] > 0)
                }
                if difficulty:
                    value, gain = cell.scores[panel], cell.gains.get(panel)
                    points.append(PointView(entry.key, dataset, panel, value, gain, difficulty, cell.run_ids))
    return tuple(points)


def trends_of(points: Sequence[PointView], axes: Sequence[AxisView]) -> tuple[TrendView, ...]:
    """Rank correlation and regression line of every entry against every axis."""
    groups: dict[tuple[str, str], list[PointView]] = defaultdict(list)
    for point in points:
        groups[point.entry, point.panel].append(point)
    trends = []
    for ((entry, panel), group), axis, target in product(groups.items(), axes, ("value", "gain")):
        pairs = [
            (point.difficulty[axis.name], y)
            for point in group
            if axis.name in point.difficulty
            and (y := point.value.mean if target == "value" else point.gain) is not None
        ]
        x, y_values = [x for x, _ in pairs], [y for _, y in pairs]
        if (found := spearman(x, y_values)) is not None:
            ends = _line_ends(x, y_values, log=axis.log)
            trends.append(TrendView(entry, panel, axis.name, target, ends, found.rho, found.n, found.beyond_chance()))
    return tuple(trends)


def _line_ends(
    x: Sequence[float], y: Sequence[float], *, log: bool
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The ends of the regression line, None unless it predicts left-out datasets."""
    along = np.log(x) if log else np.asarray(x)
    line = fit_trend(along, y)
    if not line.conclusive:
        return None
    ends = [(x[i], float(line.intercept + line.slope * along[i])) for i in (int(along.argmin()), int(along.argmax()))]
    return ends[0], ends[1]
