"""The result of a race: the recommended method, its accuracy on unseen images, and the effect of more labels. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bench.analysis import MeanTest, seeds_needed
from bench.extensions.recommendation.cross_fitting import (
    ADDED_TO_ACCURACIES,
    between_trainings,
    cross_fitted,
    pooled,
)
from bench.extensions.recommendation.elimination import Look, best_of
from bench.extensions.recommendation.folds import FoldPlan, RaceOutcomes

MOST_LABELS = 10_000
"""Numbers of labels above this one are not named."""
WIDEST = 0.1
"""Half-width from which on an interval around 0 is not called "no difference", but too few labels."""
_REPLICATES = 4000


class RaceVerdict(StrEnum):
    """What a race knows of a method that it did not drop, beside the leader."""

    LEADER = "highest"
    SAME = "not different"
    EQUAL = "equal within the margin"
    WORSE = "worse"
    UNKNOWN = "too few labels"
    STOPPED = "stopped early"


@dataclass(frozen=True)
class RemainingMethod:
    """A remaining method, compared with the leader.

    Args:
        below_leader: the leader's accuracy minus its own, on the images that both have scored, with an interval that
            allows for all methods and looks; None for the leader.
        verdict: *not different* is said only of a method that was trained as often as the leader, at least once on
            every fold, and whose interval contains 0 and is not wide.
        labels: number of labelled images with which the race would probably show a difference, or equality within the
            margin, if the observed difference is the true one; None if more than 10,000, or if that says nothing,
            because the pair is settled, the method was stopped early, or there are as many labels already.
    """

    method: str
    accuracy: float
    below_leader: MeanTest | None
    verdict: RaceVerdict
    labels: int | None = None


@dataclass(frozen=True)
class Decision:
    """The recommended method.

    Args:
        pick: the cheapest method that was trained as often as the leader and whose observed loss against it is at most
            the margin.
        standings: the remaining methods, best first.
        accuracy: accuracy of the pick on unseen images, corrected for the selection, with a 95 % interval.
        optimism: the amount of the correction.
    """

    pick: str
    leader: str
    standings: tuple[RemainingMethod, ...]
    accuracy: MeanTest
    optimism: float


@dataclass(frozen=True)
class Doubling:
    """Accuracy that twice the shots would add, extrapolated from fewer shots; `gain` has a 95 % interval.

    Args:
        errors: error by shots, on the same images.
    """

    errors: Mapping[int, float]
    gain: MeanTest


def decide(
    outcomes: RaceOutcomes, left: Sequence[str], last: Look | None, plan: FoldPlan, *, margin: float
) -> Decision:
    """Choose among the methods that are left.

    Args:
        left: these methods, cheapest first.
        last: their comparison at the end; None for a single method.
    """
    tables = outcomes.tables(list(left))
    leader = best_of(tables) if last is None else last.leader
    tests = {} if last is None else {name: test for name, test in last.below_leader.items() if name in tables}
    standings = [RemainingMethod(leader, float(np.nanmean(tables[leader])), None, RaceVerdict.LEADER)]
    common = {name: int((~np.isnan(tables[leader] - table)).any(0).sum()) for name, table in tables.items()}
    as_far = [name for name in tables if outcomes.trainings(name) >= outcomes.trainings(leader)]
    whole = outcomes.trainings(leader) >= plan.per_repeat
    for name, test in sorted(tests.items(), key=lambda item: item[1].mean):
        verdict = verdict_of(test, margin) if whole and name in as_far else RaceVerdict.STOPPED
        labels: int | None = None
        if last is not None and verdict in (RaceVerdict.SAME, RaceVerdict.UNKNOWN):
            labels = labels_to_settle(test, common[name], margin, last.level)
        labels = labels if labels is not None and plan.images < labels <= MOST_LABELS else None
        standings.append(RemainingMethod(name, float(np.nanmean(tables[name])), test, verdict, labels))
    pick = next(name for name in as_far if name == leader or (name in tests and tests[name].mean <= margin))
    optimism = selection_optimism(tests, {name: common[name] / common[leader] for name in tests})
    noise = pooled([between_trainings(table, outcomes.folds, outcomes.groups) for table in tables.values()])
    plain = cross_fitted(tables[pick], outcomes.folds, groups=outcomes.groups, added=ADDED_TO_ACCURACIES, least=noise)
    expected = moved(plain, -optimism).within(0.0, 1.0)
    return Decision(pick, leader, tuple(standings), expected, optimism)


def verdict_of(test: MeanTest, margin: float) -> RaceVerdict:
    """What the interval of a method that was trained as often as the leader says; a wide one around 0 says nothing.

    Example:
        >>> str(verdict_of(MeanTest(0.02, 3, 1, low=-0.01, high=0.05), margin=0.005))
        'not different'
    """
    if test.low is None or test.high is None:
        return RaceVerdict.STOPPED
    if test.high <= margin:
        return RaceVerdict.EQUAL
    if test.low > 0:
        return RaceVerdict.WORSE
    return RaceVerdict.SAME if test.high - test.low <= 2 * WIDEST else RaceVerdict.UNKNOWN


def labels_to_settle(test: MeanTest, images: int, margin: float, level: float) -> int | None:
    """Number of labelled images that decides a pair with 80 % power at the observed difference; None if unknown.

    Args:
        images: number of images of the test.
        level: probability with which one end of its interval errs.
    """
    effect = abs(abs(test.mean) - margin)
    if test.standard_error is None:
        return None
    return seeds_needed(effect, test.standard_error * math.sqrt(images), level=2 * level)


def selection_optimism(below_leader: Mapping[str, MeanTest], shares: Mapping[str, float]) -> float:
    """The selection bias of the chosen method's accuracy: how much it is overestimated because it was the best of many.

    The choice is simulated with new noise around accuracies that are shrunk towards their mean by the share of their
    variance that the noise explains; the mean noise of the winner is returned. Among equal methods, the whole lead of
    the best one is noise. The noise is that of sampling images; for a part of them it counts for that part.

    Args:
        below_leader: the leader's accuracy minus that of every other method that was not dropped.
        shares: for the same methods, the share of the leader's images on which they were compared.

    Example:
        >>> noise = MeanTest.from_error(0.0, 1, 1, 0.02, 100, image_error=0.02)
        >>> two = selection_optimism({"b": noise}, {"b": 1.0})  # of two, the larger: sd / sqrt pi = 0.02 / sqrt(2 pi)
        >>> abs(two - 0.02 / math.sqrt(2 * math.pi)) < 5e-4
        True
    """
    tests = {name: test for name, test in below_leader.items() if test.standard_error is not None}
    if not tests:
        return 0.0
    lead = np.array([0.0, *(-test.mean for test in tests.values())])
    errors = np.array([test.image_error for test in tests.values()]) / math.sqrt(2)
    noise = np.array([errors.mean(), *errors])  # a difference contains the noise of both methods
    kept = max(0.0, float(lead.var(ddof=1)) - float((noise**2).mean()))
    kept /= kept + float((noise**2).mean())
    centre = lead.mean() + kept * (lead - lead.mean())
    drawn = noise * np.random.default_rng(0).normal(size=(_REPLICATES, len(lead)))
    winner = (centre + drawn).argmax(axis=1)
    gained = float(drawn[np.arange(_REPLICATES), winner].mean())
    return max(0.0, gained * float(np.mean([shares[name] for name in tests])))


def moved(test: MeanTest, by: float) -> MeanTest:
    """The same test around a mean that is shifted by `by`."""
    low, high = test.low, test.high
    return replace(
        test, mean=test.mean + by, low=None if low is None else low + by, high=None if high is None else high + by
    )


def doubling(
    tables: Mapping[int, NDArray[np.float64]], folds: NDArray[np.int64], groups: NDArray[np.int64] | None = None
) -> Doubling | None:
    """The accuracy that twice the largest number of shots would add, if the error follows a power law in the shots.

    The logarithm of the error is extrapolated as a straight line in the logarithm of the shots. The interval, by the
    delta method, covers other images and repeated training, but not another shape of the curve. It ends where the error
    would be 0 or 1.

    Args:
        tables: by shots, whether each image is classified correctly, `(repeats, images)`; NaN where not scored.

    Returns None with fewer than two numbers of shots, or if there are no errors.

    Example:
        >>> halves = {2: np.array([[0.0] * 8 + [1.0] * 8]), 4: np.array([[0.0] * 4 + [1.0] * 12])}
        >>> found = doubling(halves, np.array([[1, 2] * 8]))
        >>> found.errors, round(found.gain.mean, 6)  # the error halves with each doubling: 1/4 - 1/8
        ({2: 0.5, 4: 0.25}, 0.125)
    """
    shots = sorted(tables)
    if len(shots) < 2:
        return None
    wrong = 1 - np.stack([tables[count] for count in shots])
    wrong[:, np.isnan(wrong).any(axis=0)] = np.nan
    errors = np.nanmean(wrong, axis=(1, 2))
    if not (errors > 0).all():
        return None
    x = np.log2(shots)
    spread = ((x - x.mean()) ** 2).sum()
    weights = 1 / len(x) + (x - x.mean()) * (x[-1] + 1 - x.mean()) / spread
    expected = float(np.exp(weights @ np.log(errors)))
    influence = wrong[-1] - expected * np.tensordot(weights / errors, wrong, axes=1)
    gain, error = cross_fitted(influence, folds, groups=groups), float(errors[-1])
    gain = gain.within(error - 1, error)  # an error stays between 0 and 1
    return Doubling(dict(zip(shots, errors.tolist(), strict=True)), gain)
