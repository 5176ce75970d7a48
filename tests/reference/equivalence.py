"""Two one-sided tests: whether a mean difference lies within a margin."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import t


def tost(differences: Sequence[float], margin: float) -> float:
    """The p-value of `|mean| >= margin`, by two one-sided t-tests. Small: the means are equivalent.

    Raises ValueError for fewer than two differences.
    """
    values = np.asarray(differences, dtype=float)
    if len(values) < 2:
        raise ValueError(f"An equivalence test needs at least two differences, not {len(values)}.")
    distance = margin - abs(float(values.mean()))
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    if error == 0:
        return 0.0 if distance > 0 else 1.0
    return float(t.sf(distance / error, df=len(values) - 1))
