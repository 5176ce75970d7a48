"""Difficulty trends and datasets of one board or of published numbers, as views."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from bench.analysis import (
    CONTRASTS,
    LOGARITHMIC,
    OPEN,
    ContrastTrend,
    Grouping,
    H,
    Leaderboard,
    MethodTrend,
    Trend,
    contrast_trends,
    difficulty_groups,
    method_trends,
    scaled,
)
from bench.papers import DatasetFacts, DifficultyMeasure, ExampleImage
from reports.presenters.values import view_of
from reports.views import (
    ContrastView,
    CovariateView,
    MethodTrendView,
    PanelView,
    SlopeView,
    TrendResultView,
    TrendsView,
)

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


def dataset_view(facts: DatasetFacts, measured: Measured, examples: tuple[ExampleImage, ...]) -> DatasetFacts:
    """A dataset of a board; measures without a title come last, under their own name."""
    by_measure: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for (measure, split), value in measured.values.items():
        by_measure[measure][split] = value
    order = [*(known for known in MEASURES if known in by_measure), *sorted(by_measure.keys() - MEASURES.keys())]
    measures = tuple(
        DifficultyMeasure(measure, MEASURES.get(measure, measure), by_measure[measure]) for measure in order
    )
    return replace(facts, n_classes=dict(measured.n_classes), measures=measures, examples=examples)


COVARIATES = (
    CovariateView(
        "relative_transfer_difficulty",
        "Relative transfer difficulty",
        "chance accuracy divided by zero-shot accuracy; larger is harder",
        log=True,
    ),
    CovariateView("chance", "1 / number of classes", "chance accuracy; fewer classes are further right", log=True),
    CovariateView("zero_shot_error", "Zero-shot error", "1 − zero-shot accuracy: the headroom", log=False),
)
STEPS = {True: math.log(2), False: 0.1}
"""One step of a covariate, by whether it is logarithmic: a doubling, or ten points."""


def board_trends(
    board: Leaderboard,
    measured: Mapping[str, Measured],
    titles: Mapping[str, str],
    groups: Grouping = difficulty_groups,
) -> tuple[TrendsView, ...]:
    """Contrasts and slopes of every measure of a board, over all entries but oracles and the datasets that they have.

    `titles` are by entry key.
    """
    entries = [entry for entry in board.entries if not entry.oracle]
    unique = {method for method, n in Counter(entry.method for entry in entries).items() if n == 1}
    names = {entry.key: entry.method if entry.method in unique else entry.key for entry in entries}
    wrapped = [("ensemble", name, name.partition(":")[2]) for name in sorted(unique) if name.startswith("apex_on:")]
    views = []
    for measure in board.measures:
        rows = [
            {"method": names[entry.key], "dataset": dataset, "value": cell.scores[measure].mean}
            for entry in entries
            for dataset, cell in entry.cells.items()
            if dataset != board.setting.source and measure in cell.scores
        ]
        views.append(
            trends_view(
                pd.DataFrame(rows, columns=["method", "dataset", "value"]),
                _covariates(measured, SPLIT_OF[measure], board.averaged),
                measure,
                {names[key]: title for key, title in titles.items() if key in names},
                [*CONTRASTS, *wrapped],
                baseline=names.get(board.baseline or "", ""),
                expected=len(board.averaged),
                groups=groups,
            )
        )
    return tuple(views)


def _covariates(measured: Mapping[str, Measured], split: str, datasets: Sequence[str]) -> dict[str, dict[str, float]]:
    """The covariates of one class split by name and dataset, where they are known."""
    found: dict[str, dict[str, float]] = {covariate.name: {} for covariate in COVARIATES}
    for dataset in datasets:
        values = measured[dataset].values if dataset in measured else {}
        for name in ("relative_transfer_difficulty", "chance"):
            if values.get((name, split), 0.0) > 0:
                found[name][dataset] = values[name, split]
        if ("zero_shot_accuracy", split) in values:
            found["zero_shot_error"][dataset] = 1 - values["zero_shot_accuracy", split]
    return found


def trends_view(
    values: pd.DataFrame,
    difficulty: Mapping[str, Mapping[str, float]],
    measure: str,
    titles: Mapping[str, str],
    contrasts: Sequence[tuple[str, str, str]],
    *,
    baseline: str,
    expected: int,
    groups: Grouping = difficulty_groups,
) -> TrendsView:
    """Contrasts and slopes of one table of accuracies.

    Args:
        values: columns `method`, `dataset`, `value`.
        difficulty: by covariate and dataset.
        contrasts: (component, method with it, method without it).
        baseline: the method that gains refer to.
        expected: number of datasets of a complete method.
    """
    rtd = difficulty["relative_transfer_difficulty"]
    # EuroSAT alone causes many correlations
    left_out = "eurosat" if "eurosat" in rtd else max(rtd, key=lambda dataset: rtd[dataset], default=None)
    found = contrast_trends(values, difficulty, contrasts=contrasts)
    leaving_out = {
        dataset: contrast_trends(values[values["dataset"] != dataset], difficulty, contrasts=contrasts)
        for dataset in sorted({dataset for row in found for dataset in row.differences})
    }
    easy, hard = groups(sorted(rtd), rtd)
    return TrendsView(
        measure=measure,
        covariates=COVARIATES,
        difficulty=difficulty,
        contrasts=_contrasts(found, leaving_out, difficulty, titles),
        methods=_methods(values, difficulty, titles, baseline, (easy, hard), expected),
        left_out=left_out,
        easy=tuple(easy),
        hard=tuple(hard),
    )


def _contrasts(
    found: Sequence[ContrastTrend],
    leaving_out: Mapping[str, Sequence[ContrastTrend]],
    difficulty: Mapping[str, Mapping[str, float]],
    titles: Mapping[str, str],
) -> tuple[ContrastView, ...]:
    results: defaultdict[tuple[str, ...], dict[str, TrendResultView]] = defaultdict(dict)
    for dataset, rows in leaving_out.items():
        for row in rows:
            results[_key(row)][dataset] = _result(row, difficulty[row.covariate])
    groups: dict[tuple[str, ...], list[ContrastTrend]] = {}
    for row in found:
        if row.differences:
            groups.setdefault(_key(row)[:3], []).append(row)
    return tuple(
        ContrastView(
            part,
            titles.get(method, method),
            titles.get(without, without),
            float(np.mean(list(rows[0].differences.values()))),
            tuple(_panel(row, difficulty[row.covariate], results[_key(row)]) for row in rows),
        )
        for (part, method, without), rows in groups.items()
    )


def _key(row: ContrastTrend) -> tuple[str, str, str, str]:
    return row.part, row.method, row.without, row.covariate


def _panel(row: ContrastTrend, along: Mapping[str, float], leaving_out: Mapping[str, TrendResultView]) -> PanelView:
    return PanelView(row.covariate, _points(row, along), _result(row, along), leaving_out)


def _points(row: ContrastTrend, along: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    return {dataset: (along[dataset], y) for dataset, y in row.differences.items() if dataset in along}


def _result(row: ContrastTrend, along: Mapping[str, float]) -> TrendResultView:
    xs = [x for x, _ in _points(row, along).values()]
    ends = None
    if row.trend is not None and row.trend.conclusive:
        low, high = min(xs), max(xs)
        at_low, at_high = row.trend.intercept + row.trend.slope * scaled(row.covariate, [low, high])
        ends = (low, float(at_low)), (high, float(at_high))
    rho, p = (row.found.rho, row.found.p) if row.found else (None, None)
    return TrendResultView(rho, len(xs), p, row.p_holm, ends, row.verdict)


def _methods(
    values: pd.DataFrame,
    difficulty: Mapping[str, Mapping[str, float]],
    titles: Mapping[str, str],
    baseline: str,
    groups: tuple[Sequence[str], Sequence[str]],
    expected: int,
) -> tuple[MethodTrendView, ...]:
    by_method: dict[str, dict[str, MethodTrend]] = {}
    for found in method_trends(values, difficulty, baseline=baseline):
        by_method.setdefault(found.method, {})[found.covariate] = found
    table = values.pivot(index="dataset", columns="method", values="value")
    views = []
    for method, trends in by_method.items():
        difference = (table[method] - table[baseline]).dropna()
        gains = {str(dataset): float(gain) for dataset, gain in difference.items()}
        easy, hard = (_group_mean(gains, group) for group in groups)
        slopes = {name: _slope(found.trend, name) for name, found in trends.items()}
        first = next(iter(trends.values()))  # `gain` and `worst_third` are those of every covariate
        known = {"entry": titles.get(method, method), "n": len(gains), "expected": expected, "gains": gains}
        views.append(view_of(MethodTrendView, first, **known, easy=easy, hard=hard, slopes=slopes))
    return tuple(sorted(views, key=lambda view: -view.gain))


def _group_mean(gains: Mapping[str, float], group: Sequence[str]) -> float | None:
    """Mean over a group of datasets, None if one of them is missing."""
    return float(np.mean([gains[dataset] for dataset in group])) if group and set(group) <= set(gains) else None


def _slope(trend: Trend, covariate: str) -> SlopeView:
    step = STEPS[covariate in LOGARITHMIC]
    slope, low, high = (None if value is None else step * value for value in (trend.slope, trend.low, trend.high))
    return view_of(SlopeView, trend, slope=slope, low=low, high=high)
