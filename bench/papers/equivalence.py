"""Whether a mean equals a printed number within a margin (TOST)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests (TOST) of a mean against a margin around a reference.

    Args:
        difference: mean minus reference, with the two-sided interval `low` to `high`.
        p: p value against "the difference is at least the margin"; a small p value means equality within the margin.
        margin: largest difference that counts as equal.
    """

    difference: float
    low: float
    high: float
    p: float
    margin: float
    n: int

    def equal(self, level: float = 0.05) -> bool:
        """Whether the difference is significantly smaller than the margin."""
        return self.p <= level

    @property
    def different(self) -> bool:
        """Whether the whole interval is outside the margin."""
        return self.low > self.margin or self.high < -self.margin


def equivalence(
    values: Sequence[float], *, margin: float, reference: float = 0.0, level: float = 0.95
) -> Equivalence | None:
    """Whether a mean equals a reference within a margin (TOST). None for a single value, whose spread is unknown.

    Args:
        values: independent repetitions, such as one accuracy per seed.
        margin: largest difference that counts as equal, above 0, in the unit of the values; 0.01 is one point.
        reference: number to compare with, taken as exact.
        level: confidence level of the two-sided interval that is reported with the test.

    Example:
        >>> found = equivalence([0.70, 0.71, 0.72], margin=0.02, reference=0.70)  # t = (0.01 - 0.02) / (0.01 / sqrt 3)
        >>> round(found.difference, 6), round(found.p, 4), found.equal()
        (0.01, 0.1127, False)
    """
    if margin <= 0:
        raise ValueError(f"Margin {margin} does not define equality; give a positive one, such as 0.01.")
    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    if n < 2:
        return None
    difference = float(ordered.mean()) - reference
    error = float(ordered.std(ddof=1)) / math.sqrt(n)
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * error
    if error == 0:
        p = 0.0 if abs(difference) < margin else 1.0
    else:
        p = float(stdtr(n - 1, (abs(difference) - margin) / error))  # the larger of the two one-sided p values
    return Equivalence(difference, difference - reach, difference + reach, p, margin, n)
