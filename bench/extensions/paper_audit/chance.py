"""By how much two averages differ by chance: the standard error of a comparison, and the seeds that would settle it.

A difference of two averages over datasets has the noise of the test images, which both methods share, and of the seeds
of both. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

DISCORDANCE = 0.10
"""The share of test images that exactly one of the two methods classifies correctly. An assumption."""
REACH = NormalDist().inv_cdf(0.975)
"""Standard errors of a 95 % interval."""
POWER = NormalDist().inv_cdf(0.8)
"""Standard errors more for a power of 80 %."""
MOST_SEEDS = 100
LARGE_SHARE = 0.8
"""Share of the seeds' variance of the datasets on which more seeds are proposed first."""


@dataclass(frozen=True)
class ChanceError:
    """The variance of the difference of two averages, in points squared.

    Args:
        images: of the test images.
        seeds: with one seed for each method, by dataset; a part is divided by the number of its seeds.
    """

    images: float
    seeds: Mapping[str, float]

    def variance(self, seeds: float, more: Mapping[str, float] | None = None) -> float:
        """The variance with so many seeds on each dataset, and others on some."""
        found = {name: value / (more or {}).get(name, seeds) for name, value in self.seeds.items()}
        return self.images + sum(found.values())

    def error(self, seeds: float) -> float:
        """The standard error."""
        return math.sqrt(self.variance(seeds))

    def reach(self, seeds: float) -> float:
        """Half of the 95 % interval: the difference that chance exceeds in one of twenty comparisons."""
        return REACH * self.error(seeds)

    def weighted(self, weight: float) -> ChanceError:
        """That of the difference times a weight."""
        return ChanceError(weight**2 * self.images, {name: weight**2 * value for name, value in self.seeds.items()})

    def plus(self, other: ChanceError) -> ChanceError:
        """That of the sum with another, independent difference on the same datasets."""
        seeds = {name: value + other.seeds.get(name, 0.0) for name, value in self.seeds.items()}
        return ChanceError(self.images + other.images, seeds)


def chance_error(images: Mapping[str, float], spreads: Mapping[str, float], trained: int = 2) -> ChanceError:
    """The chance error of a difference of averages over datasets.

    Args:
        images: number of test images by dataset.
        spreads: standard deviation between seeds by dataset, in points; without one, the seeds of a dataset count
            nothing.
        trained: how many of the two methods depend on the seed.

    Example:
        >>> found = chance_error({"dtd": 1000}, {"dtd": 3.0})
        >>> round(found.error(3), 2)  # of 1000 / 1000 points squared, and twice 3 ** 2 / 3
        2.65
    """
    n = len(images)
    of_images = sum(DISCORDANCE / count * 1e4 for count in images.values()) / n**2
    return ChanceError(of_images, {name: trained * spreads.get(name, 0.0) ** 2 / n**2 for name in images})


@dataclass(frozen=True)
class SeedsToSettle:
    """Seeds with which a gain of this size would probably be found (power 80 %, level 5 %).

    Args:
        everywhere: seeds of each method on each dataset; None if `MOST_SEEDS` are not enough.
        focused: datasets on which alone more seeds suffice, and their number; empty if that takes more trainings, or
            more than `MOST_SEEDS`.
    """

    everywhere: int | None
    focused: tuple[str, ...] = ()
    on_focused: int = 0


def seeds_to_settle(found: ChanceError, gain: float, seeds: int) -> SeedsToSettle:
    """The seeds that settle a gain in points, now known with so many `seeds`.

    Example:
        >>> seeds_to_settle(chance_error({"a": 10_000, "b": 10_000}, {"a": 0.1, "b": 3.0}), 2.0, 3)
        SeedsToSettle(everywhere=10, focused=('b',), on_focused=10)
    """
    wanted = (gain / (REACH + POWER)) ** 2 - found.images
    total = sum(found.seeds.values())
    if wanted <= 0 or total / wanted > MOST_SEEDS:
        return SeedsToSettle(None)
    everywhere = max(seeds, math.ceil(total / wanted))
    focused = _largest(found.seeds)
    rest = sum(value for name, value in found.seeds.items() if name not in focused) / seeds
    if rest >= wanted or everywhere == seeds:
        return SeedsToSettle(everywhere)
    on_focused = math.ceil(sum(found.seeds[name] for name in focused) / (wanted - rest))
    trainings = len(focused) * on_focused + (len(found.seeds) - len(focused)) * seeds
    if on_focused > MOST_SEEDS or trainings >= len(found.seeds) * everywhere:
        return SeedsToSettle(everywhere)
    return SeedsToSettle(everywhere, tuple(focused), on_focused)


def _largest(variances: Mapping[str, float]) -> Sequence[str]:
    """The datasets that together have most of the variance, largest first."""
    found: list[str] = []
    for name in sorted(variances, key=lambda name: (-variances[name], name)):
        if sum(variances[one] for one in found) >= LARGE_SHARE * sum(variances.values()):
            break
        found.append(name)
    return found
