"""The bound of rounding holds for sums in other orders, and is not loose."""

from __future__ import annotations

import numpy as np
import pytest
from rounding import rounding


@pytest.mark.parametrize("additions", [64, 512, 4096])
def test_another_order_of_additions_stays_within_the_bound(additions: int) -> None:
    draw = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        numbers = draw.normal(size=additions).astype(np.float32)
        partial = np.cumsum(numbers, dtype=np.float32)  # one addition after the other
        other = np.cumsum(draw.permutation(numbers), dtype=np.float32)
        scale = float(max(abs(partial).max(), abs(other).max()))
        shares.append(abs(float(partial[-1]) - float(other[-1])) / rounding(additions, scale=scale))
    assert 0.05 < max(shares) < 1
