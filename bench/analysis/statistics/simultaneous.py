"""Intervals of many differences at once: of all pairs of methods, and of the best of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtri, ndtr, stdtr, stdtrit

from bench.analysis.statistics.hypothesis_tests import LEVEL
from bench.analysis.statistics.intervals import MeanTest

DRAWS, FEWEST_DRAWS = 4000, 1000
"""Simulated boards; the standard error of a level of 5 % is then 0.3 points, and 0.7 with many pairs."""
_MOST = 2_000_000
"""Simulated differences above which fewer boards are drawn."""
_Z = np.linspace(-8.5, 8.5, 401)
_WEIGHTS = np.exp(-(_Z**2) / 2) / np.sqrt(2 * np.pi) * (_Z[1] - _Z[0])
_LIMITS = np.linspace(0.0, 12.0, 481)
_SHARES = (np.arange(200) + 0.5) / 200

Pair = tuple[str, str]


@cache
def _best_of_normal(k: int) -> NDArray[np.float64]:
    """P(largest of k normal values <= r) on `_LIMITS`; correlated by 1/2, as differences from one control are."""
    table: NDArray[np.float64] = _WEIGHTS @ ndtr(np.sqrt(2) * _LIMITS + _Z[:, None]) ** k
    return table


def dunnett_p(t: ArrayLike, k: int, df: float) -> NDArray[np.float64]:
    """One-sided p of the largest of k differences from one control, each over its standard error (Dunnett 1955).

    It is at least that of one difference. `t` has any shape; negative values have a p of 1.

    Example:
        >>> round(float(dunnett_p(2.228, 1, 10.0)), 3), round(float(dunnett_p(2.57, 2, 10.0)), 3)  # one: Student's t
        (0.025, 0.025)
    """
    values = np.asarray(t, dtype=float)
    alone = stdtr(df, -values)
    if k == 1:
        return np.where(values > 0, alone, 1.0)
    scale = np.sqrt(chdtri(df, _SHARES) / df)  # of the estimated standard error
    below = np.interp(values[..., None] * scale, _LIMITS, _best_of_normal(k), right=1.0).mean(-1)
    return np.where(values > 0, np.maximum(1 - below, alone), 1.0)


@cache
def dunnett_limit(k: int, df: float, level: float = LEVEL / 2) -> float:
    """The t at which `dunnett_p` is `level`; with one difference that of Student."""
    low, high = 0.0, float(stdtrit(df, 1 - level / (2 * k)))
    if k == 1:
        return float(stdtrit(df, 1 - level))
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if dunnett_p(middle, k, df) > level else (low, middle)
    return high


@dataclass(frozen=True)
class SimultaneousTests:
    """Differences that are tested together: their intervals contain all true values in 95 % of repetitions.

    The largest of the differences, each on the normal scale by its own degrees of freedom (Wallace 1959), is simulated
    for methods that do not differ. The standard errors of all pairs imply how the differences are correlated, as far as
    they are distances between points: estimates from few seeds often are not. Each difference has its own estimate of
    its error; a studentised range, which has one for all, rejects too often here.

    Args:
        tests: of all pairs of the methods, with a standard error where it is known.
        members: the tested pairs, each with a standard error.
        level: nominal probability of any false difference.
    """

    tests: Mapping[Pair, MeanTest]
    members: tuple[Pair, ...]
    level: float = LEVEL

    @cached_property
    def intervals(self) -> dict[Pair, MeanTest]:
        """The tests of the members with simultaneous intervals and p values."""
        if len(self.members) < 2:
            return {pair: self.tests[pair].within() for pair in self.members}
        largest = self._largest
        limit = float(np.quantile(largest, 1 - self.level))
        weight = LEVEL / self.level  # so that a p value up to 5 % goes with an interval that does not contain 0
        return {pair: _with_limit(self.tests[pair], limit, largest, weight) for pair in self.members}

    @cached_property
    def _largest(self) -> NDArray[np.float64]:
        """The largest simulated difference on the normal scale, sorted, `(draws,)`."""
        keys = sorted({key for pair in self.tests for key in pair})
        draws = max(FEWEST_DRAWS, min(DRAWS, _MOST // len(self.members)))
        factors = _factors(_errors(self.tests, keys))
        means = _simulated_means(factors)[:draws]
        a, b = (np.array([keys.index(pair[side]) for pair in self.members]) for side in (0, 1))
        df = np.array([self.tests[pair].df for pair in self.members])
        gaps = means[:, a]
        gaps -= means[:, b]
        gaps /= _distances(factors, a, b)
        squares = np.square(gaps, out=gaps)
        squares /= np.random.default_rng(1).chisquare(df, (draws, len(a)))  # t^2 / df
        return np.sort(np.sqrt(_squared_normal(squares, df).max(axis=1)))


def _with_limit(test: MeanTest, limit: float, largest: NDArray[np.float64], weight: float) -> MeanTest:
    """The test with the interval of a limit on the normal scale; never shorter than its own, and within -1..1."""
    assert test.standard_error is not None
    assert test.df is not None
    assert test.low is not None
    own = test.mean - test.low
    reach = max(own, float(t_scale(limit, test.df)) * test.standard_error)
    above = len(largest) - np.searchsorted(largest, normal_scale(test.mean / test.standard_error, test.df))
    p = max(test.p or 0.0, min(1.0, weight * (1 + float(above)) / (1 + len(largest))))
    return replace(test, low=test.mean - reach, high=test.mean + reach, p=p).within()


def _simulated_means(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of methods that do not differ, `(DRAWS, methods)`; the same always."""
    normal = np.random.default_rng(0).normal(size=(DRAWS, len(factors)))
    means: NDArray[np.float64] = normal @ factors.T
    return means


def _errors(tests: Mapping[Pair, MeanTest], keys: Sequence[str]) -> NDArray[np.float64]:
    """Standard errors of the differences, `(methods, methods)`.

    A pair without a standard error does not vary; one that was not compared has the mean error of the others.
    """
    place = {key: number for number, key in enumerate(keys)}
    known = {pair: test.standard_error**2 for pair, test in tests.items() if test.standard_error is not None}
    squares = np.full((len(keys), len(keys)), float(np.mean(list(known.values()))) if known else 0.0)
    np.fill_diagonal(squares, 0.0)
    for pair in tests:
        first, second = (place[key] for key in pair)
        squares[first, second] = squares[second, first] = known.get(pair, 0.0)
    errors: NDArray[np.float64] = np.sqrt(squares)
    return errors


def _factors(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points whose distances are the errors, `(methods, methods)`; some are larger where there are no such points."""
    centre = np.eye(len(errors)) - 1 / len(errors)
    values, vectors = np.linalg.eigh(-centre @ np.square(errors) @ centre / 2)
    factors: NDArray[np.float64] = vectors * np.sqrt(np.maximum(values, 0.0))
    return factors


def _distances(factors: NDArray[np.float64], a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Of pairs of points, `(pairs,)`."""
    found: NDArray[np.float64] = np.linalg.norm(factors[np.asarray(a)] - factors[np.asarray(b)], axis=1)
    return found


def lead_by_chance(tests: Mapping[Pair, MeanTest], control: str) -> float:
    """How far the best of several methods is above a control on average if none differs from it."""
    keys = sorted({key for pair in tests for key in pair})
    errors = _errors(tests, keys)
    factors = _factors(errors)
    means = _simulated_means(factors)
    zero, others = keys.index(control), [number for number, key in enumerate(keys) if key != control]
    distances = _distances(factors, others, [zero] * len(others))
    scale = np.divide(errors[others, zero], distances, out=np.zeros_like(distances), where=distances > 0)
    return float(((means[:, others] - means[:, [zero]]) * scale).max(axis=1).mean())


def normal_scale(t: ArrayLike, df: ArrayLike) -> NDArray[np.float64]:
    """The absolute normal value that is about as improbable as a t value (Wallace 1959).

    Example:
        >>> round(float(normal_scale(2.228, 10)), 2)
        1.96
    """
    freedom = np.asarray(df, dtype=float)
    return np.sqrt(_squared_normal(np.square(t) / freedom, freedom))


def _squared_normal(ratio: NDArray[np.float64], df: NDArray[np.float64]) -> NDArray[np.float64]:
    """The square of `normal_scale` by t^2 / df."""
    found: NDArray[np.float64] = np.log1p(ratio) * (((8 * df + 1) / (8 * df + 3)) ** 2 * df)
    return found


def t_scale(z: ArrayLike, df: ArrayLike) -> NDArray[np.float64]:
    """The inverse of `normal_scale` for positive values."""
    freedom = np.asarray(df, dtype=float)
    plain = np.asarray(z) * (8 * freedom + 3) / (8 * freedom + 1)
    found: NDArray[np.float64] = np.sqrt(freedom * np.expm1(np.square(plain) / freedom))
    return found
