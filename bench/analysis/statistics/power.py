"""The smallest difference that a test of means tells, and the seeds or the datasets that halve it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.special import nctdtr, stdtr, stdtrit

from bench.analysis.statistics.intervals import MeanTest

POWER = 0.8
"""The share of repetitions in which a detectable difference is detected."""
MOST = 1_000
"""More seeds or datasets are never planned."""
_HALVINGS = 40


@dataclass(frozen=True)
class Detectable:
    """What a test of a mean tells in `POWER` of repetitions.

    Args:
        difference: the smallest true mean, a fraction.
        seeds_for_half: the seeds of each dataset with which half of it is detected; None above `MOST`, since the noise
            of the test images is left.
        datasets_for_half: the same for datasets of the same kind, with as many seeds as now; None where each run is
            tested on all datasets, since more of them do not reduce the noise of its seed.
    """

    difference: float
    seeds_for_half: int | None
    datasets_for_half: int | None


def detectable_difference(test: MeanTest) -> Detectable | None:
    """The smallest true mean that the interval of a test tells from 0. None if the spread is unknown.

    The interval may be wider than that of one test; what it allows for is kept with other seeds and datasets. The
    standard error and the degrees of freedom of `test` are treated as known.

    Example:
        >>> found = detectable_difference(MeanTest.from_error(0.0, n=34, groups=1, error=34**-0.5, df=33))
        >>> round(found.difference, 3), found.seeds_for_half  # Cohen's tables: 34 pairs for 0.5, 128 for 0.25
        (0.495, 131)
    """
    error, df = test.standard_error, test.df
    if error is None or df is None or test.low is None or test.high is None:
        return None
    level = 2 * float(stdtr(df, -max(test.high - test.mean, test.mean - test.low) / error))
    low, effect = 0.0, error
    while _power(test, effect, level) < POWER:
        low, effect = effect, 2 * effect
    for _ in range(_HALVINGS):
        middle = (low + effect) / 2
        low, effect = (low, middle) if _power(test, middle, level) >= POWER else (middle, effect)
    seeds = _fewest(lambda n: _power(test, effect / 2, level, seeds=n * test.groups / test.n))
    datasets = _fewest(lambda n: _power(test, effect / 2, level, datasets=n / test.groups))
    return Detectable(effect, seeds, None if test.shared_training else datasets)


def _fewest(power: Callable[[int], float]) -> int | None:
    """The fewest repetitions with enough power; None above `MOST`."""
    few, many = 1, MOST
    if power(many) < POWER:
        return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if power(middle) >= POWER else (middle, many)
    return many


def _power(test: MeanTest, effect: float, level: float, *, seeds: float = 1.0, datasets: float = 1.0) -> float:
    """Probability that a mean of `effect` is detected with so many times the seeds of each dataset and the datasets."""
    error, df = test.standard_error or 0.0, test.df or 0.0
    images = min(test.image_error**2, error**2)
    between = error**2 - images
    variance = images + between / seeds
    if between and seeds != 1.0:
        per_group = test.n / test.groups
        df_seeds = df * (between / error**2) ** 2  # the images' degrees of freedom are treated as infinite
        df = df_seeds * max(per_group * seeds - 1, 1e-9) / max(per_group - 1, 1e-9) * (variance * seeds / between) ** 2
    df *= datasets
    critical = float(stdtrit(df, 1 - level / 2))
    shift = effect / math.sqrt(variance / datasets)
    if shift > critical + 8:  # beyond the range in which nctdtr is accurate
        return 1.0
    return 1 - float(nctdtr(df, shift, critical))
