"""All trends of one measure: effects of components and gains of methods against difficulty. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.analysis.dataset_difficulty import RTD, Measured, measured_covariates
from bench.analysis.difficulty_trend import CONTRASTS, ContrastTrend, MethodTrend, contrast_trends, method_trends
from bench.analysis.easy_and_hard import difficulty_groups
from bench.analysis.leaderboard import Leaderboard, classes_of

WRAPPER = "apex_on:"
"""Beginning of the names of methods that add APEX's ensemble to another method."""


@dataclass(frozen=True)
class ContrastPanels:
    """The same method with and without a component: its trend along every covariate.

    Args:
        trends: one for each covariate, in order.
        leaving_out: the trends without one dataset, by the left-out dataset and the covariate.
    """

    trends: tuple[ContrastTrend, ...]
    leaving_out: Mapping[tuple[str, str], ContrastTrend]


@dataclass(frozen=True)
class Trends:
    """All trends of one measure.

    Args:
        difficulty: by covariate and dataset.
        methods: gains over zero-shot, largest first.
        left_out: the dataset whose omission every contrast mentions.
        easy, hard: datasets of low and of high difficulty; by default empty below six datasets.
    """

    measure: str
    difficulty: Mapping[str, Mapping[str, float]]
    contrasts: tuple[ContrastPanels, ...]
    methods: tuple[MethodTrend, ...]
    left_out: str | None
    easy: tuple[str, ...]
    hard: tuple[str, ...]

    @property
    def tests(self) -> int:
        """Number of correlations that are corrected together."""
        return sum(trend.found is not None for contrast in self.contrasts for trend in contrast.trends)


def board_trends(board: Leaderboard, measured: Mapping[str, Measured]) -> tuple[Trends, ...]:
    """Contrasts and slopes of every measure of a board, over all entries but oracles and the datasets that they have.

    Methods are named by the keys of their entries. A contrast needs methods with one entry each.
    """
    entries = [entry for entry in board.entries if not entry.oracle]
    counts = Counter(entry.method for entry in entries)
    keys = {entry.method: entry.key for entry in entries if counts[entry.method] == 1}
    wrapping = [method for method in sorted(keys) if method.startswith(WRAPPER)]
    wrapped = [("ensemble", method, method.removeprefix(WRAPPER)) for method in wrapping]
    contrasts = [
        (part, keys[method], keys[without])
        for part, method, without in [*CONTRASTS, *wrapped]
        if method in keys and without in keys
    ]
    found = []
    for measure in board.measures:
        rows = [
            {"method": entry.key, "dataset": dataset, "value": cell.scores[measure].mean}
            for entry in entries
            for dataset, cell in entry.cells.items()
            if dataset != board.setting.source and measure in cell.scores
        ]
        values = pd.DataFrame(rows, columns=["method", "dataset", "value"])
        known = measured_covariates(measured, classes_of(measure), board.averaged)
        found.append(trends_of(values, known, measure, contrasts, baseline=board.baseline or ""))
    return tuple(found)


def trends_of(
    values: pd.DataFrame,
    difficulty: Mapping[str, Mapping[str, float]],
    measure: str,
    contrasts: Sequence[tuple[str, str, str]],
    *,
    baseline: str,
) -> Trends:
    """Contrasts and slopes of one table of accuracies.

    Args:
        values: columns `method`, `dataset`, `value`.
        difficulty: by covariate and dataset.
        contrasts: (component, method with it, method without it).
        baseline: the method that gains refer to.
    """
    rtd = difficulty[RTD]
    # EuroSAT alone causes many correlations
    left_out = "eurosat" if "eurosat" in rtd else max(rtd, key=lambda dataset: rtd[dataset], default=None)
    easy, hard = difficulty_groups(sorted(rtd), rtd)
    return Trends(
        measure=measure,
        difficulty=difficulty,
        contrasts=_panels(values, difficulty, contrasts),
        methods=tuple(method_trends(values, difficulty, baseline=baseline)),
        left_out=left_out,
        easy=tuple(easy),
        hard=tuple(hard),
    )


def _panels(
    values: pd.DataFrame, difficulty: Mapping[str, Mapping[str, float]], contrasts: Sequence[tuple[str, str, str]]
) -> tuple[ContrastPanels, ...]:
    pairs: dict[tuple[str, str, str], list[ContrastTrend]] = {}
    for row in contrast_trends(values, difficulty, contrasts=contrasts):
        if row.differences:
            pairs.setdefault((row.part, row.method, row.without), []).append(row)
    without: dict[tuple[str, str, str], dict[tuple[str, str], ContrastTrend]] = {pair: {} for pair in pairs}
    for dataset in sorted({dataset for rows in pairs.values() for row in rows for dataset in row.differences}):
        for row in contrast_trends(values[values["dataset"] != dataset], difficulty, contrasts=contrasts):
            if (pair := (row.part, row.method, row.without)) in without:
                without[pair][dataset, row.covariate] = row
    return tuple(ContrastPanels(tuple(rows), without[pair]) for pair, rows in pairs.items())
