"""The answer for one measure: the leader and its lead, gains on easy and hard datasets, and advice within budgets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis import Rule, choose_rule, fit_trend, hard_minus_easy, not_separated, student_t
from reports.presenters.trends import DIFFICULTY
from reports.views import (
    AdviceView,
    AnswerView,
    GroupsView,
    LeadView,
    PickView,
    PlacedDatasetView,
    RankedMethodView,
)

BUDGETS: dict[str, Callable[[RankedMethodView], bool]] = {
    "any": lambda _: True,
    "no training": lambda method: method.trained is False,
    "1 min": lambda method: method.seconds is not None and method.seconds <= 60,
    "100k parameters": lambda method: method.parameters is not None and method.parameters <= 100_000,
}


NEAR = 0.01
"""A recommendation counts the other methods that are lower by at most this much."""
FEWEST_LEFT = 2
"""Fewest datasets that a mean without one of them is over."""


@dataclass(frozen=True)
class ResultsHere:
    """Tests of the leader against others on these datasets: intervals by method, and the methods left open."""

    intervals: Mapping[str, tuple[float, float]]
    open: tuple[str, ...]


def answer_view(
    measure: str,
    averages: Mapping[str, float],
    complete: Sequence[RankedMethodView],
    table: NDArray[np.float64],
    datasets: Sequence[PlacedDatasetView],
    baseline: str | None,
    difficulty: Mapping[str, Mapping[str, float]],
    places: Mapping[str, float],
    groups: tuple[tuple[str, ...], ...],
    tests: Callable[[str, str], ResultsHere],
) -> AnswerView:
    """The answer from a table `(methods, datasets)` of the complete methods."""
    keys = [method.key for method in complete]
    order = sorted(keys, key=lambda key: (-averages[key], keys.index(key)))
    leader = order[0] if order else None
    open_ = not_separated(table) if len(keys) > 1 else np.zeros((len(keys), len(keys)), dtype=bool)
    unseparated = {key: tuple(other for other in order if open_[keys.index(key), keys.index(other)]) for key in keys}
    row = dict(zip(keys, table, strict=True))
    gains, lead, parts, best_on_hard = {}, None, None, None
    names = [dataset.name for dataset in datasets]
    columns = [[names.index(name) for name in group] for group in groups]
    here = ResultsHere({}, ())
    if leader is not None and len(keys) > 1:
        here = tests(measure, leader)
        reference = baseline if baseline in row and baseline != leader else order[1]
        lead = _lead(row[leader] - row[reference], reference, here.intervals.get(reference), datasets)
    if baseline in row:
        for key in keys:
            gain = row[key] - row[baseline]
            easy, medium, hard = (_group_mean(gain, group) for group in columns)
            gains[key] = easy, medium, hard
        if leader is not None and leader != baseline and columns[0] and columns[2]:
            gain = row[leader] - row[baseline]
            known = [index for index, name in enumerate(names) if name in difficulty[DIFFICULTY]]
            along = [float(np.log(difficulty[DIFFICULTY][names[index]])) for index in known]
            parts = _groups(gain, columns, _sign_of_trend(along, gain[known]))
        others = [key for key in order if key != baseline]
        if columns[2] and others:
            on_hard = {key: float((row[key] - row[baseline])[columns[2]].mean()) for key in others}
            best = max(others, key=lambda key: on_hard[key])
            best_on_hard = best, on_hard[best]
    return AnswerView(
        measure=measure,
        averages=averages,
        leader=leader,
        lead=lead,
        open_elsewhere=unseparated[leader] if leader is not None else (),
        open_here=tuple(key for key in order if key in here.open),
        groups=parts,
        best_on_hard=best_on_hard,
        gains=gains,
        behind={key: _over_datasets(row[key] - row[leader]) for key in order[1:]} if leader is not None else {},
        difficulty=difficulty,
        places=places,
        advice=_advice(
            complete, table, [places.get(name) for name in names], columns, datasets, row.get(baseline or "")
        ),
        unseparated=unseparated,
    )


def _group_mean(gain: NDArray[np.float64], columns: Sequence[int]) -> float | None:
    return float(gain[list(columns)].mean()) if columns else None


def _lead(
    difference: NDArray[np.float64],
    reference: str,
    over_seeds: tuple[float, float] | None,
    datasets: Sequence[PlacedDatasetView],
) -> LeadView:
    mean, wide = _over_datasets(difference)
    without, n = None, len(difference)
    if n > FEWEST_LEFT:
        largest = int(difference.argmax())
        rest = float((difference.sum() - difference[largest]) / (n - 1))
        without = (datasets[largest].title, rest) if mean > 0 > rest else None
    return LeadView(reference, mean, int((difference > 0).sum()), n, wide, over_seeds, without)


def _over_datasets(difference: NDArray[np.float64]) -> tuple[float, tuple[float, float] | None]:
    """Mean and 95 % interval over datasets."""
    found = student_t(difference.tolist())
    return found.mean, None if found.low is None or found.high is None else (found.low, found.high)


def _groups(gain: NDArray[np.float64], columns: Sequence[Sequence[int]], trend: int) -> GroupsView:
    easy, medium, hard = columns
    test = hard_minus_easy(gain[list(hard)].tolist(), gain[list(easy)].tolist())
    return GroupsView(
        on_easy=float(gain[list(easy)].mean()),
        on_medium=_group_mean(gain, medium),
        on_hard=float(gain[list(hard)].mean()),
        n_easy=len(easy),
        n_medium=len(medium),
        n_hard=len(hard),
        settled=test.p is not None and test.p <= 0.05,
        trend=trend,
    )


def _sign_of_trend(along: Sequence[float], gain: NDArray[np.float64]) -> int:
    trend = fit_trend(along, gain) if len(set(along)) > 1 else None
    return 0 if trend is None or not trend.conclusive else int(np.sign(trend.slope))


def _advice(
    complete: Sequence[RankedMethodView],
    table: NDArray[np.float64],
    places: Sequence[float | None],
    columns: Sequence[Sequence[int]],
    datasets: Sequence[PlacedDatasetView],
    baseline: NDArray[np.float64] | None,
) -> dict[str, AdviceView]:
    """The better rule within each budget that leaves a choice; budgets that exclude nothing are left out.

    Args:
        columns: of easy, medium and hard datasets in `table`.
        baseline: the row of zero-shot.
    """
    advice: dict[str, AdviceView] = {}
    for budget, within in BUDGETS.items():
        rows = [index for index, method in enumerate(complete) if within(method)]
        if not rows or (budget != "any" and len(rows) == len(complete)):
            continue
        choice = choose_rule(table[rows], places)
        lost = {str(rule): regret.mean for rule, regret in choice.regrets.items()}
        worst = {str(rule): regret.worst for rule, regret in choice.regrets.items()}
        picks = []
        for kind, group in zip(("easy", "medium", "hard"), map(list, columns), strict=True):
            if not (group and columns[0] and columns[2]):
                continue
            seen = group if choice.rule is Rule.ALIKE else list(range(len(datasets)))
            means = table[rows][:, seen].mean(axis=1)
            best = rows[int(means.argmax())]
            near = int((means >= means.max() - NEAR).sum()) - 1
            titles = tuple(datasets[index].title for index in group)
            gains = () if baseline is None else (table[best] - baseline)[group]
            ends = () if baseline is None else (float(np.mean(gains)), float(min(gains)), float(max(gains)))
            gain, low, high = ends or (None, None, None)
            picks.append(PickView(kind, complete[best].key, titles, gain, low, high, near))
        candidates = tuple(complete[index].key for index in rows)
        advice[budget] = AdviceView(str(choice.rule), lost, worst, candidates, tuple(picks))
    return advice
