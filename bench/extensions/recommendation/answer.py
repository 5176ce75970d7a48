"""The result of a race: the recommended method, its accuracy on unseen images, and the effect of more labels. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.analysis import MeanTest, grouped_seeds_needed, seeds_needed
from bench.extensions.recommendation.cross_fitting import ADDED_TO_ACCURACIES, cross_fitted
from bench.extensions.recommendation.elimination import Tables, against, best_of

_REPLICATES = 4000


@dataclass(frozen=True)
class RemainingMethod:
    """A remaining method, compared with the leader.

    Args:
        below_leader: the leader's accuracy minus its own, with a 95 % interval for this pair; None for the leader.
        labels: number of labelled images with which the test would probably show a difference, or equality within the
            margin, if the observed difference is the true one; None if more than 10,000, or not needed.
        repeats: the same as a number of repetitions with the present labels; None if no number is enough.
    """

    method: str
    accuracy: float
    below_leader: MeanTest | None
    labels: int | None = None
    repeats: int | None = None


@dataclass(frozen=True)
class Decision:
    """The recommended method.

    Args:
        pick: the cheapest method whose observed loss against the leader is at most the margin.
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
    tables: Tables,
    folds: NDArray[np.int64],
    by_cost: Sequence[str],
    *,
    margin: float,
    settled: Sequence[str] = (),
    groups: NDArray[np.int64] | None = None,
) -> Decision:
    """Choose among the remaining methods.

    Args:
        by_cost: the methods that were trained to the end, cheapest first; the choice is among them.
        settled: methods that were shown to be equal to the leader within the margin.
        groups: `(images,)`, the group of each image; None if the images are independent.
    """
    final = {name: tables[name] for name in by_cost}
    leader = best_of(final)
    below_leader = against(leader, tables, folds, groups)
    common = {name: int((~np.isnan(tables[leader] - table)).any(0).sum()) for name, table in tables.items()}
    standings = [RemainingMethod(leader, float(np.nanmean(tables[leader])), None)]
    for name, test in sorted(below_leader.items(), key=lambda item: item[1].mean):
        needs = (None, None) if name in settled else needed(test, common[name], margin)
        standings.append(RemainingMethod(name, float(np.nanmean(tables[name])), test, *needs))
    pick = next(name for name in by_cost if name == leader or below_leader[name].mean <= margin)
    shares = {name: common[name] / common[leader] for name in below_leader}
    optimism = selection_optimism(below_leader, shares)
    plain = cross_fitted(tables[pick], folds, groups=groups, added=ADDED_TO_ACCURACIES)
    return Decision(pick, leader, tuple(standings), moved(plain, -optimism), optimism)


def needed(test: MeanTest, images: int, margin: float) -> tuple[int | None, int | None]:
    """Numbers of labelled images and repetitions that decide a pair with 80 % power at the observed difference."""
    effect = abs(abs(test.mean) - margin)
    if test.standard_error is None or effect == 0:
        return None, None
    shifted = replace(test, mean=effect)
    return seeds_needed(effect, test.standard_error * math.sqrt(images)), grouped_seeds_needed(shifted)


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
    """The same test around a mean that is shifted by `by`, with its interval clipped to 0..1."""
    low, high = test.low, test.high
    return replace(
        test,
        mean=test.mean + by,
        low=None if low is None else max(0.0, low + by),
        high=None if high is None else min(1.0, high + by),
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
    if gain.low is not None and gain.high is not None:  # an error stays between 0 and 1
        gain = replace(gain, low=max(gain.low, error - 1), high=min(gain.high, error))
    return Doubling(dict(zip(shots, errors.tolist(), strict=True)), gain)
