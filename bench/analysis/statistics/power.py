"""The smallest difference that a test of means would find, and the seeds that would halve it."""

import math
from dataclasses import dataclass

from scipy.special import nctdtr, stdtrit

from bench.analysis.statistics.intervals import MeanTest

MOST_SEEDS = 1_000
"""More seeds are never planned: the noise of the test images is left."""


@dataclass(frozen=True)
class Detectable:
    """What a two-sided test of a mean finds with a given power, such as 80 %.

    Args:
        difference: the smallest true mean, a fraction.
        seeds_for_half: the seeds of each dataset with which half of it would be found; None above `MOST_SEEDS`.
    """

    difference: float
    seeds_for_half: int | None


def detectable_difference(test: MeanTest, *, power: float = 0.8, level: float = 0.05) -> Detectable | None:
    """The smallest mean that the grouped t test finds, and the seeds for half of it. None if the spread is unknown.

    The standard error and the degrees of freedom of `test` are treated as known.

    Example:
        >>> found = detectable_difference(MeanTest(mean=0.0, n=34, groups=1, standard_error=34**-0.5, df=33))
        >>> round(found.difference, 3), found.seeds_for_half  # Cohen's tables: 34 pairs for 0.5, 128 for 0.25
        (0.495, 131)
    """
    from scipy.optimize import brentq  # slow to import, and few commands need it

    error, df = test.standard_error, test.df
    if error is None or df is None:
        return None
    low, high = 0.0, error
    while _power(test, error, df, high, 1.0, level) < power:
        low, high = high, 2 * high
    found = float(brentq(lambda effect: _power(test, error, df, effect, 1.0, level) - power, low, high))

    def finds_half(seeds: int) -> bool:
        return _power(test, error, df, found / 2, seeds * test.groups / test.n, level) >= power

    few, many = 1, MOST_SEEDS
    if not finds_half(many):
        return Detectable(found, None)
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if finds_half(middle) else (middle, many)
    return Detectable(found, many)


def _power(test: MeanTest, error: float, df: float, effect: float, factor: float, level: float) -> float:
    """Probability that the test finds a mean of `effect`, if every group had `factor` times as many seeds."""
    images = test.image_error**2
    seeds = max(0.0, error**2 - images)
    variance = images + seeds / factor
    if seeds:
        per_group = test.n / test.groups
        df_seeds = df * (seeds / error**2) ** 2  # the images' degrees of freedom are treated as infinite
        df = df_seeds * max(per_group * factor - 1, 1e-9) / max(per_group - 1, 1e-9) * (variance * factor / seeds) ** 2
    critical = float(stdtrit(df, 1 - level / 2))
    shift = abs(effect) / math.sqrt(variance)
    if shift > critical + 8:  # beyond the range in which nctdtr is accurate
        return 1.0
    return 1 - float(nctdtr(df, shift, critical))
