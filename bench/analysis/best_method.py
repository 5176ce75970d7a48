"""The answer of a setting: the best method, its lead, gains on easy and hard datasets, and which one to take. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.analysis.dataset_difficulty import RTD
from bench.analysis.difficulty_trend import Trend, carried_trend, scaled
from bench.analysis.easy_and_hard import gain_by_chance, page_groups
from bench.analysis.measures import classes_of
from bench.analysis.method_choice import Known, Policy
from bench.analysis.score_table import ScoreTable
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
    """The method to take for new datasets: the best average, with what this choice gained and lost.

    Args:
        method: the first of the leaderboard, or zero-shot if `gain` is below `WORTHWHILE`.
        gain: mean over the datasets of the gain over zero-shot that the method chosen without a dataset has on it, a
            fraction. It says of zero-shot what the others would have gained.
        below: datasets on which that gain is below 0, of `n`.
    """

    method: str
    gain: float
    below: int
    n: int


@dataclass(frozen=True)
class Answer:
    """The answer for one measure.

    Args:
        verdict: what is known about the order.
        averages: of all methods with any score, by key, as on the leaderboard.
        lead: None if there is nothing to compare with.
        by_difficulty: the easy, medium and hard datasets; all empty if there are no groups.
        groups: None without zero-shot or without easy and hard datasets.
        gains: mean gain over zero-shot on easy, medium and hard datasets by method, None for an empty group.
        difficulty: by axis and dataset, if known.
        places: positions of datasets on the axis of log difficulty, if known.
        advice: which method to take; None without zero-shot, two other methods and two datasets.
    """

    measure: str
    verdict: Verdict
    averages: Mapping[str, float]
    lead: Lead | None
    by_difficulty: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    groups: GroupGains | None
    gains: Mapping[str, tuple[float | None, float | None, float | None]]
    difficulty: Mapping[str, Mapping[str, float]]
    places: Mapping[str, float]
    advice: Pick | None

    @property
    def leader(self) -> str | None:
        """The method with the highest mean; None without a complete method."""
        return self.verdict.leader


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
    rows, names = table.complete_rows(measure), list(table.datasets)
    places, baseline = table.places(measure), rows.get(table.baseline or "")
    easy, medium, hard = (tuple(group) for group in page_groups(places))
    columns = [[names.index(name) for name in group] for group in (easy, medium, hard)]
    verdict = verdict_on_rows(measure, table.averages[measure], rows, table.baseline) if verdict is None else verdict
    leader, lead = verdict.leader, None
    if leader is not None and verdict.reference is not None:
        lead = _lead(rows[leader] - rows[verdict.reference], names)
    gains, parts = {}, None
    if baseline is not None:
        for key in rows:
            on_easy, on_medium, on_hard = (_mean_on(rows[key] - baseline, group) for group in columns)
            gains[key] = on_easy, on_medium, on_hard
        if leader is not None and leader != table.baseline and easy and hard:
            parts = _groups(rows[leader] - baseline, columns, names, table.difficulty[measure][RTD])
            parts = replace(parts, by_chance=_by_chance(table, measure))
    return Answer(
        measure=measure,
        verdict=verdict,
        averages=table.averages[measure],
        lead=lead,
        by_difficulty=(easy, medium, hard),
        groups=parts,
        gains=gains,
        difficulty=table.difficulty[measure],
        places=places,
        advice=_advice(table, measure, rows),
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
    accuracy = {name: fraction for name in table.datasets if (fraction := table.zero_shot.get(name, {}).get(split))}
    if not accuracy or any(name not in chance or not table.images.get(name) for name in accuracy):
        return None
    return gain_by_chance(accuracy, chance, table.images), round(np.mean([table.images[n] for n in accuracy]))


def _groups(
    gain: NDArray[np.float64], columns: Sequence[Sequence[int]], names: Sequence[str], difficulty: Mapping[str, float]
) -> GroupGains:
    easy, medium, hard = columns
    measured = sorted((index for index, name in enumerate(names) if name in difficulty), key=lambda index: names[index])
    along = scaled(RTD, [difficulty[names[index]] for index in measured])
    several = len(measured) >= 3 and np.ptp(along) > 0
    return GroupGains(
        on_easy=float(gain[list(easy)].mean()),
        on_medium=_mean_on(gain, medium),
        on_hard=float(gain[list(hard)].mean()),
        n_easy=len(easy),
        n_medium=len(medium),
        n_hard=len(hard),
        trend=carried_trend([names[index] for index in measured], along, gain[measured]) if several else None,
    )


def _advice(table: ScoreTable, measure: str, rows: Mapping[str, NDArray[np.float64]]) -> Pick | None:
    """The first method of the leaderboard, with what the best average of the others gains on each left-out dataset."""
    keys, baseline = [key for key in table.ranked(measure) if key != table.baseline], table.baseline or ""
    n = len(table.datasets)
    if baseline not in rows or min(len(keys), n) < FEWEST_TO_CHOOSE:
        return None
    values = np.array([rows[key] - rows[baseline] for key in keys])
    choices = Known(tuple(keys), table.datasets, values, (None,) * n, (None,) * n)
    gains = [float(values[choices.chosen(Policy.AVERAGE, dataset), dataset]) for dataset in range(n)]
    gain, below = float(np.mean(gains)), sum(value < -TINY for value in gains)
    return Pick(baseline if gain < WORTHWHILE else keys[0], gain, below, n)
