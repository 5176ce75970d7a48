"""Difficulty trends of one board or one published table, ready for the page."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.contrasts import CONTRASTS, ContrastTrend, contrast_trends
from bench.analysis.difficulty_groups import Grouping, difficulty_groups
from bench.analysis.difficulty_trend import LOGARITHMIC, MethodTrend, Trend, method_trends, scaled
from bench.analysis.leaderboard import Leaderboard
from bench.presenters.difficulty import SPLIT_OF, Measured
from reports.views import (
    ContrastView,
    CovariateView,
    MethodTrendView,
    PanelView,
    SlopeView,
    TrendResultView,
    TrendsView,
)

if TYPE_CHECKING:
    import pandas as pd

COVARIATES = (
    CovariateView(
        "relative_transfer_difficulty",
        "Relative transfer difficulty",
        "chance accuracy over zero-shot accuracy; larger is harder",
        log=True,
    ),
    CovariateView("chance", "1 / number of classes", "chance accuracy; few classes lie to the right", log=True),
    CovariateView("zero_shot_error", "Zero-shot error", "1 − zero-shot accuracy: the room that is left", log=False),
)
STEPS = {True: math.log(2), False: 0.1}
"""One step of a covariate: a doubling of the logarithmic ones, ten points of the others."""


def board_trends(
    board: Leaderboard,
    measured: Mapping[str, Measured],
    titles: Mapping[str, str],
    groups: Grouping = difficulty_groups,
) -> tuple[TrendsView, ...]:
    """Paired contrasts and method slopes of every measure of a board.

    Args:
        board: its complete and incomplete entries, but no oracles; each takes part with the datasets that it has.
        measured: difficulty by dataset.
        titles: by entry key.
        groups: which datasets are easy and which are hard.
    """
    import pandas as pd

    honest = [entry for entry in board.entries if not entry.oracle]
    alone = {method for method, n in Counter(entry.method for entry in honest).items() if n == 1}
    names = {entry.key: entry.method if entry.method in alone else entry.key for entry in honest}
    contrasts = [*CONTRASTS, *(("ensemble", m, m.partition(":")[2]) for m in sorted(alone) if m.startswith("apex_on:"))]
    views = []
    for measure in board.measures:
        rows = [
            {"method": names[entry.key], "dataset": dataset, "value": cell.scores[measure].mean}
            for entry in honest
            for dataset, cell in entry.cells.items()
            if dataset != board.setting.source
        ]
        views.append(
            trends_view(
                pd.DataFrame(rows, columns=["method", "dataset", "value"]),
                measured_covariates(measured, SPLIT_OF[measure], board.averaged),
                measure,
                {names[key]: title for key, title in titles.items() if key in names},
                contrasts,
                baseline=names.get(board.baseline or "", ""),
                expected=len(board.averaged),
                groups=groups,
            )
        )
    return tuple(views)


def measured_covariates(
    measured: Mapping[str, Measured], split: str, datasets: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The three covariates of those datasets that have them, for one class split."""
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
    """Contrasts and slopes of one table of numbers.

    Args:
        values: `method`, `dataset`, `value`; one row each.
        difficulty: by covariate and dataset.
        measure: what the values are.
        titles: of the methods.
        contrasts: (part, method with it, method without it).
        baseline: the method that gains refer to.
        expected: datasets that a method should have.
        groups: which datasets are easy and which are hard.
    """
    rtd = difficulty["relative_transfer_difficulty"]
    left_out = "eurosat" if "eurosat" in rtd else max(rtd, key=lambda dataset: rtd[dataset], default=None)
    found = contrast_trends(values, difficulty, contrasts=contrasts, leave_out=None)
    leaving_out = {
        dataset: contrast_trends(values[values["dataset"] != dataset], difficulty, contrasts=contrasts, leave_out=None)
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
    points = _points(row, along)
    ends = None
    if row.trend is not None and row.trend.conclusive:
        low, high = min(points.values())[0], max(points.values())[0]
        ends = ((low, _at(row.trend, row.covariate, low)), (high, _at(row.trend, row.covariate, high)))
    return TrendResultView(
        rho=row.found.rho if row.found else None,
        n=len(points),
        p=row.found.p if row.found else None,
        p_corrected=row.p_holm,
        ends=ends,
        verdict=row.verdict,
    )


def _at(trend: Trend, covariate: str, value: float) -> float:
    return trend.intercept + trend.slope * float(scaled(covariate, [value])[0])


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
        first = next(iter(trends.values()))
        easy, hard = (_mean_of(gains, group) for group in groups)
        slopes = {name: _slope(found.trend, name) for name, found in trends.items()}
        views.append(
            MethodTrendView(
                titles.get(method, method),
                len(gains),
                expected,
                first.gain,
                first.worst_third,
                easy,
                hard,
                gains,
                slopes,
            )
        )
    return tuple(sorted(views, key=lambda view: -view.gain))


def _mean_of(gains: Mapping[str, float], group: Sequence[str]) -> float | None:
    """Mean over the group; None where one of it is missing, since a mean over fewer is of another group."""
    return float(np.mean([gains[dataset] for dataset in group])) if group and set(group) <= set(gains) else None


def _slope(trend: Trend, covariate: str) -> SlopeView:
    step = STEPS[covariate in LOGARITHMIC]
    return SlopeView(
        slope=step * trend.slope,
        low=None if trend.low is None else step * trend.low,
        high=None if trend.high is None else step * trend.high,
        error=trend.error,
        verdict=trend.verdict,
    )
