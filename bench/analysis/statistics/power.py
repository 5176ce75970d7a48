"""Power of two-sided t tests (0..1): of a given design, the detectable difference, and the seeds needed."""

import math

from scipy.special import nctdtr, stdtrit

from bench.analysis.statistics.intervals import MeanTest

_MOST_SEEDS = 10_000


def t_power(effect: float, std: float, n: int, *, level: float = 0.05) -> float:
    """Power of the two-sided one-sample (or paired) t test: the probability that it finds a mean of `effect`.

    Example:
        >>> round(t_power(0.8, 1.0, 15), 2)  # Cohen's tables: an effect of 0.8 standard deviations takes 15 pairs
        0.82
    """
    if n < 2:
        return 0.0
    if std == 0:
        return 1.0 if effect else level
    critical, shift = float(stdtrit(n - 1, 1 - level / 2)), abs(effect) / std * math.sqrt(n)
    missed = float(nctdtr(n - 1, shift, critical))
    other_side = float(nctdtr(n - 1, shift, -critical)) if shift < 5 else 0.0
    return 1 - missed + other_side


def seeds_needed(effect: float, std: float, *, power: float = 0.8, level: float = 0.05) -> int | None:
    """Smallest number of seeds with which the t test has that power. None for no effect, or if above 10,000.

    `std` is the standard deviation of the paired differences between seeds.

    Example:
        >>> seeds_needed(0.5, 1.0)  # Cohen's tables: 34 pairs
        34
    """
    if effect == 0:
        return None
    low, high = 1, 2
    while t_power(effect, std, high, level=level) < power:
        low, high = high, 2 * high
        if low > _MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if t_power(effect, std, middle, level=level) >= power else (middle, high)
    return high


def grouped_power(test: MeanTest, effect: float, factor: float = 1.0, *, level: float = 0.05) -> float | None:
    """Power of the grouped t test for a mean of `effect`, if every group had `factor` times as many seeds.

    The standard error and the degrees of freedom of `test` are treated as known. None if the spread is unknown.

    Example:
        >>> test = MeanTest(mean=0.0, n=15, groups=1, standard_error=15**-0.5, df=14)
        >>> round(grouped_power(test, 0.8), 2)  # one group: the power of the t test
        0.82
    """
    if test.standard_error is None or test.df is None:
        return None
    images = test.image_error**2
    seeds = max(0.0, test.standard_error**2 - images)
    variance = images + seeds / factor
    df = test.df
    if seeds:
        per_group = test.n / test.groups
        df_seeds = df * (seeds / test.standard_error**2) ** 2  # the images' degrees of freedom are treated as infinite
        df = df_seeds * max(per_group * factor - 1, 1e-9) / max(per_group - 1, 1e-9) * (variance * factor / seeds) ** 2
    critical = float(stdtrit(df, 1 - level / 2))
    shift = abs(effect) / math.sqrt(variance)
    if shift > critical + 8:  # beyond the range in which nctdtr is accurate
        return 1.0
    return 1 - float(nctdtr(df, shift, critical))


def detectable_difference(test: MeanTest, *, power: float = 0.8, level: float = 0.05) -> float | None:
    """Smallest mean that the grouped t test finds with that power. None if the spread is unknown.

    Example:
        >>> test = MeanTest(mean=0.0, n=34, groups=1, standard_error=34**-0.5, df=33)
        >>> round(detectable_difference(test), 2)  # Cohen's tables: 0.5 standard deviations with 34 pairs
        0.5
    """
    from scipy.optimize import brentq  # slow to import, and few commands need it

    if test.standard_error is None:
        return None
    low, high = 0.0, test.standard_error
    while (grouped_power(test, high, level=level) or 0.0) < power:
        low, high = high, 2 * high
    return float(brentq(lambda effect: (grouped_power(test, effect, level=level) or 0.0) - power, low, high))


def grouped_seeds_needed(test: MeanTest, *, power: float = 0.8, level: float = 0.05) -> int | None:
    """Number of values per group with which the observed mean would be significant with that power.

    None if the mean is zero, its spread is unknown, or more than 1,000 values are needed.

    Example:
        >>> grouped_seeds_needed(MeanTest(mean=0.5, n=10, groups=1, standard_error=10**-0.5, df=9))  # Cohen's tables
        34
    """
    if test.mean == 0 or test.standard_error is None:
        return None
    per_group = test.n / test.groups
    if (grouped_power(test, test.mean, 1000 / per_group, level=level) or 0.0) < power:
        return None
    for seeds in range(2, 1001):
        if (grouped_power(test, test.mean, seeds / per_group, level=level) or 0.0) >= power:
            return seeds
    return None
