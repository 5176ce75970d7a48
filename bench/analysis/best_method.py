"""The answer of a setting: the best method, its lead, gains on easy and hard datasets, and advice by budget. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.analysis.dataset_difficulty import RTD
from bench.analysis.difficulty_trend import Trend, carried_trend, scaled
from bench.analysis.easy_and_hard import gain_by_chance, page_groups
from bench.analysis.leaderboard import classes_of
from bench.analysis.method_choice import (
    Known,
    Policy,
    PolicyChoice,
    judge_policies,
    left_out_values,
    seen_from,
    windows,
)
from bench.analysis.score_table import Candidate, ScoreTable
from bench.analysis.verdict import Verdict, verdict_on_rows


@dataclass(frozen=True)
class Lead:
    """How far the leader is ahead of the verdict's reference: a mean over datasets, a fraction.

    Args:
        ahead: datasets on which the leader is higher, of `n`.
        without: the dataset whose omission changes the sign of the mean (of several, the most influential), and the
            mean without it; None if there is none.
    """

    mean: float
    ahead: int
    n: int
    without: tuple[str, float] | None = None


@dataclass(frozen=True)
class GroupGains:
    """Gains of the leader over zero-shot on easy, medium and hard datasets.

    Args:
        on_medium: None without medium datasets.
        trend: the line over all datasets, as in the table of slopes; None with fewer than three difficulties.
        by_chance: `gain_by_chance` of the hard datasets, and test images per dataset; None if they are not known.
    """

    on_easy: float
    on_medium: float | None
    on_hard: float
    n_easy: int
    n_medium: int
    n_hard: int
    trend: Trend | None
    by_chance: tuple[float, int] | None = None


@dataclass(frozen=True)
class Pick:
    """The method to take for new datasets like those of a group.

    Args:
        kind: `overall`, `easy`, `medium` or `hard`; `alike` for the datasets that are the closest to a place.
        method: the best one by all datasets, or zero-shot if `gain` is below `WORTHWHILE`.
        datasets: those of the group.
        gain: mean over the group of the gain over zero-shot that the method chosen without a dataset has on it, a
            fraction. It says of zero-shot what the others would have gained; None if no other method fits the budget.
        below: datasets of the group on which that gain is below 0.
        cheapest: the method with the shortest training of those at most `NEAR` lower, which may be the method itself.
    """

    kind: str
    method: str
    datasets: tuple[str, ...]
    gain: float | None = None
    below: int = 0
    cheapest: str = ""


@dataclass(frozen=True)
class Advice:
    """The method to take within one budget, by the best average or by nearest difficulty.

    Args:
        choice: the rule, and the accuracy that each rule loses on a left-out dataset to its best method.
        candidates: keys of the methods within the budget beside zero-shot, best first.
        cards: one for all datasets, or those of easy, medium and hard ones if difficulty decides.
        alike: for a dataset of known difficulty, from easy to hard; the one card unless difficulty decides.
        bounds: log difficulties at which the next of `alike` applies.
    """

    choice: PolicyChoice
    candidates: tuple[str, ...]
    cards: tuple[Pick, ...]
    alike: tuple[Pick, ...]
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The answer for one measure.

    Args:
        verdict: what is known about the order.
        averages: of all methods with any score, by key, as on the leaderboard.
        lead: None if there is nothing to compare with.
        by_difficulty: the easy, medium and hard datasets; all empty if there are no groups.
        groups: None without zero-shot or without easy and hard datasets.
        best_on_hard: method with the highest gain on the hard datasets, and that gain; None without groups.
        gains: mean gain over zero-shot on easy, medium and hard datasets by method, None for an empty group.
        difficulty: by axis and dataset, if known.
        places: positions of datasets on the axis of log difficulty, if known.
        advice: by budget; empty without zero-shot, two other methods and two datasets.
    """

    measure: str
    verdict: Verdict
    averages: Mapping[str, float]
    lead: Lead | None
    by_difficulty: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    groups: GroupGains | None
    best_on_hard: tuple[str, float] | None
    gains: Mapping[str, tuple[float | None, float | None, float | None]]
    difficulty: Mapping[str, Mapping[str, float]]
    places: Mapping[str, float]
    advice: Mapping[str, Advice]

    @property
    def leader(self) -> str | None:
        """The method with the highest mean; None without a complete method."""
        return self.verdict.leader


BUDGETS: Mapping[str, Callable[[Candidate], bool]] = {
    "any": lambda _: True,
    "no training": lambda method: method.trained is False,
    "1 min": lambda method: method.seconds is not None and method.seconds <= 60,
    "100k parameters": lambda method: method.parameters is not None and method.parameters <= 100_000,
}
RULES = (Policy.AVERAGE, Policy.NEAREST)
"""How the method of the advice is chosen: the first, unless the other loses less by more than one standard error."""
NEAR = 0.01
"""A cheaper method is named if it is lower by at most this much."""
WORTHWHILE = 0.005
"""A method is not advised instead of zero-shot if its choice gains less than this on left-out datasets."""
TINY = 1e-9
"""Means of equal scores over other numbers of seeds differ by less than this."""
FEWEST_TO_CHOOSE = 2
"""Fewest datasets, and fewest methods beside zero-shot, of which one is advised."""
FEWEST_LEFT = 2
"""Fewest datasets that a mean without one of them is over."""


def answer_for(table: ScoreTable, measure: str, verdict: Verdict | None = None) -> Answer:
    """The answer for one measure from the complete methods of a table.

    Args:
        verdict: what is known about the order; None for published values.
    """
    rows, order, names = table.complete_rows(measure), table.ranked(measure), list(table.datasets)
    keys = list(rows)
    places, baseline = table.places(measure), rows.get(table.baseline or "")
    easy, medium, hard = (tuple(group) for group in page_groups(places))
    columns = [[names.index(name) for name in group] for group in (easy, medium, hard)]
    told = verdict_on_rows(measure, table.averages[measure], rows, table.baseline) if verdict is None else verdict
    leader, lead = told.leader, None
    if leader is not None and told.reference is not None:
        lead = _lead(rows[leader] - rows[told.reference], names)
    gains, parts, best_on_hard = {}, None, None
    if baseline is not None:
        for key in keys:
            on_easy, on_medium, on_hard = (_mean_on(rows[key] - baseline, group) for group in columns)
            gains[key] = on_easy, on_medium, on_hard
        if leader is not None and leader != table.baseline and easy and hard:
            parts = _groups(rows[leader] - baseline, columns, names, table.difficulty[measure][RTD])
            parts = replace(parts, by_chance=_by_chance(table, measure))
        others = [key for key in order if key != table.baseline]
        if hard and others:
            gained = {key: float((rows[key] - baseline)[columns[2]].mean()) for key in others}
            best = max(others, key=lambda key: gained[key])
            best_on_hard = best, gained[best]
    return Answer(
        measure=measure,
        verdict=told,
        averages=table.averages[measure],
        lead=lead,
        by_difficulty=(easy, medium, hard),
        groups=parts,
        best_on_hard=best_on_hard,
        gains=gains,
        difficulty=table.difficulty[measure],
        places=places,
        advice=_advice(table, measure, rows, columns),
    )


def _mean_on(gain: NDArray[np.float64], columns: Sequence[int]) -> float | None:
    return float(gain[list(columns)].mean()) if columns else None


def _lead(difference: NDArray[np.float64], names: Sequence[str]) -> Lead:
    mean, without, n = float(difference.mean()), None, len(difference)
    if n > FEWEST_LEFT:
        largest = int(difference.argmax())
        rest = float((difference.sum() - difference[largest]) / (n - 1))
        without = (names[largest], rest) if mean > 0 > rest else None
    return Lead(mean, int((difference > 0).sum()), n, without)


def _by_chance(table: ScoreTable, measure: str) -> tuple[float, int] | None:
    """What chance in the zero-shot accuracy adds on hard datasets, and the mean number of test images."""
    split, chance = classes_of(measure), table.difficulty[measure].get("chance", {})
    accuracy = {name: found for name in table.datasets if (found := table.zero_shot.get(name, {}).get(split))}
    if not accuracy or any(name not in chance or not table.images.get(name) for name in accuracy):
        return None
    return gain_by_chance(accuracy, chance, table.images), round(np.mean([table.images[n] for n in accuracy]))


def _groups(
    gain: NDArray[np.float64], columns: Sequence[Sequence[int]], names: Sequence[str], difficulty: Mapping[str, float]
) -> GroupGains:
    easy, medium, hard = columns
    known = sorted((index for index, name in enumerate(names) if name in difficulty), key=lambda index: names[index])
    along = scaled(RTD, [difficulty[names[index]] for index in known])
    several = len(known) >= 3 and np.ptp(along) > 0
    return GroupGains(
        on_easy=float(gain[list(easy)].mean()),
        on_medium=_mean_on(gain, medium),
        on_hard=float(gain[list(hard)].mean()),
        n_easy=len(easy),
        n_medium=len(medium),
        n_hard=len(hard),
        trend=carried_trend([names[index] for index in known], along, gain[known]) if several else None,
    )


def _advice(
    table: ScoreTable, measure: str, rows: Mapping[str, NDArray[np.float64]], columns: Sequence[Sequence[int]]
) -> dict[str, Advice]:
    """The advice within each budget that leaves a choice; budgets that exclude nothing are left out.

    Args:
        columns: of easy, medium and hard datasets in the rows.
    """
    others = [key for key in table.ranked(measure) if key != table.baseline]
    if table.baseline not in rows or min(len(others), len(table.datasets)) < FEWEST_TO_CHOOSE:
        return {}
    advice: dict[str, Advice] = {}
    for budget, within in BUDGETS.items():
        fitting = [key for key in rows if within(table.method(key))]
        if fitting and (budget == "any" or len(fitting) < len(rows)):
            advice[budget] = _within(table, measure, columns, [key for key in others if key in fitting])
    return advice


def _within(
    table: ScoreTable,
    measure: str,
    columns: Sequence[Sequence[int]],
    keys: Sequence[str],
) -> Advice:
    """The advice among some methods and zero-shot; difficulty can decide only if there are groups."""
    baseline = table.baseline or ""
    every = list(range(len(table.datasets)))
    if not keys:
        stay = (Pick("overall", baseline, table.datasets),)
        return Advice(PolicyChoice(Policy.AVERAGE, {}), (), stay, stay)
    known = table.gains(measure, (*keys, baseline))
    choice = judge_policies(known, RULES if columns[0] and columns[2] else RULES[:1])
    pick = partial(_pick, table, replace(known, methods=tuple(keys), values=known.values[:-1]), choice.policy)
    if choice.policy is Policy.AVERAGE:
        overall = (pick("overall", every, 0.0),)
        return Advice(choice, tuple(keys), overall, overall)
    kinds = zip(("easy", "medium", "hard"), columns, strict=True)
    cards = [pick(kind, group, float(known.along[list(group)].mean())) for kind, group in kinds if group]
    bounds, sets = windows(known.along)
    ends = pairwise([-np.inf, *bounds, np.inf])
    alike = [
        pick("alike", group, float(np.clip(known.along[group].mean(), low, high)))
        for group, (low, high) in zip(sets, ends, strict=True)
    ]
    return Advice(choice, tuple(keys), tuple(cards), tuple(alike), tuple(bounds))


def _pick(table: ScoreTable, known: Known, policy: Policy, kind: str, group: Sequence[int], place: float) -> Pick:
    """The method to take for datasets like a group around a place, among those of `known`, best first, by their gains.

    The best average over all datasets is the first method of the leaderboard, however its averages are made.
    """
    datasets = tuple(table.datasets[index] for index in group)
    gains = left_out_values(known, policy, place, group)
    gain, below = float(np.mean(gains)), sum(value < -TINY for value in gains)
    if gain < WORTHWHILE:
        return Pick(kind, table.baseline or "", datasets, gain, below)
    means = known.values[:, seen_from(known, policy, place, range(len(known.datasets)))].mean(axis=1)
    best = 0 if policy is Policy.AVERAGE else int(means.argmax())
    near = [key for key, mean in zip(known.methods, means, strict=True) if mean >= means[best] - NEAR]
    return Pick(kind, known.methods[best], datasets, gain, below, _cheapest(table, known.methods[best], near))


def _cheapest(table: ScoreTable, method: str, near: Sequence[str]) -> str:
    """The method with the shortest training; the given one if its time is unknown or nothing is shorter."""
    times = {key: seconds for key in near if (seconds := table.method(key).seconds) is not None}
    return min(times, key=lambda key: (times[key], key != method)) if method in times else method
