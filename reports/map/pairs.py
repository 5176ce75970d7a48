"""The numbers with which scripts show any pair of methods in the chart, and its datasets in any order."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from bench.analysis import MeanTest, Verdict, best_method, dataset_difficulty
from reports.tables.page_table import whole
from reports.views import OverviewView


def means_data(view: OverviewView, measure: str) -> list[list[float | None]]:
    """Means over seeds in 0.01 % by method and dataset, with decimals, so that differences are rounded only once."""
    found = [[view.table.mean(key, dataset.name, measure) for dataset in view.datasets] for key in view.names]
    return [[None if mean is None else float(f"{1e4 * mean:.2f}") for mean in row] for row in found]


def first_pair(view: OverviewView, answer: best_method.Answer) -> tuple[str | None, str | None]:
    """The method that charts show first, and what it is compared with: zero-shot, or else the next best method."""
    baseline, keys = view.table.baseline, [*answer.verdict.ranked, *(method.key for method in view.table.methods)]
    a = next((key for key in keys if key != baseline), None)
    return a, baseline if baseline is not None else next((key for key in keys if key != a), None)


def pairs_data(verdict: Verdict, keys: Sequence[str]) -> list[list[Any]]:
    """The differences of ranked methods by the place of methods in `keys`, in 0.01 points.

    A row is `[first, second, mean, interval here or None, interval elsewhere or None]`.
    """
    numbers, rows = {key: number for number, key in enumerate(keys)}, []
    for a, b in combinations(verdict.ranked, 2):
        here, elsewhere = verdict.on_these(a, b), verdict.on_others(a, b)
        if (test := here or elsewhere) is not None:
            rows.append([numbers[a], numbers[b], whole(test.mean), _ends(here), _ends(elsewhere)])
    return rows


def _ends(test: MeanTest | None) -> tuple[float, float] | None:
    return None if test is None or test.low is None or test.high is None else (whole(test.low), whole(test.high))


def orders(view: OverviewView, measure: str) -> dict[str, list[int]]:
    """The datasets by their number in the order of each axis but that of the table, from low to high."""
    found = {}
    for axis in view.axes:
        if axis.name != dataset_difficulty.RTD:
            along = view.answers[measure].difficulty.get(axis.name, {})
            values = [along.get(dataset.name) for dataset in view.datasets]
            found[axis.name] = sorted(range(len(values)), key=lambda d: (values[d] is None, values[d] or 0.0))
    return found
