"""The numbers with which scripts show any pair of methods in the chart, and its datasets in any order."""

from collections.abc import Sequence
from typing import Any

from bench.analysis import MeanTest, Verdict, best_method, dataset_difficulty
from reports.tables.page_table import whole
from reports.views import OverviewView


def means_data(view: OverviewView, measure: str) -> list[list[float | None]]:
    """Means over seeds in 0.01 % by method and dataset, with decimals, so that differences are rounded only once."""
    means = [[view.table.mean(key, dataset.name, measure) for dataset in view.datasets] for key in view.names]
    return [[None if mean is None else float(f"{1e4 * mean:.2f}") for mean in row] for row in means]


def first_pair(view: OverviewView, answer: best_method.Answer) -> tuple[str | None, str | None]:
    """The method that charts show first, and what it is compared with: zero-shot, or else the next best method."""
    baseline, keys = view.table.baseline, [*answer.verdict.ranked, *(method.key for method in view.table.methods)]
    a = next((key for key in keys if key != baseline), None)
    return a, baseline if baseline is not None else next((key for key in keys if key != a), None)


def pairs_data(verdict: Verdict, keys: Sequence[str]) -> dict[str, Any]:
    """The ranked methods by their place in `keys`, and a row for each with its differences from those after it.

    A difference has five numbers in 0.01 points: its mean, and the distances from it to both ends of its interval here
    and of that elsewhere; None where nothing is known.
    """
    rows = []
    for place, first in enumerate(verdict.ranked):
        row: list[int | None] = []
        for second in verdict.ranked[place + 1 :]:
            here, elsewhere = verdict.on_these(first, second), verdict.on_others(first, second)
            test = here or elsewhere
            mean = None if test is None else whole(test.mean)
            row += [mean, *_distances(here, mean), *_distances(elsewhere, mean)]
        rows.append(row)
    return {"ranked": [keys.index(key) for key in verdict.ranked], "rows": rows}


def _distances(test: MeanTest | None, mean: int | None) -> tuple[int | None, int | None]:
    if test is None or mean is None or test.low is None or test.high is None:
        return None, None
    return mean - whole(test.low), whole(test.high) - mean


def orders(view: OverviewView, measure: str) -> dict[str, list[int]]:
    """The datasets by their number in the order of each axis but that of the table, from low to high."""
    by_axis = {}
    for axis in view.axes:
        if axis.name != dataset_difficulty.RTD:
            along = view.answers[measure].difficulty.get(axis.name, {})
            values = [along.get(dataset.name) for dataset in view.datasets]
            by_axis[axis.name] = sorted(range(len(values)), key=lambda d: (values[d] is None, values[d] or 0.0))
    return by_axis
