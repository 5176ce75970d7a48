"""How much rounding may change a result, from the arithmetic alone: the same on every processor.

A sum of float32 numbers depends on the order of its additions, which vector width, threads and BLAS choose. Each
addition rounds by at most half of `EPS`, relative to its partial sum, with a random sign. So the error of n additions,
in one sum or in sums that follow one another, grows like the square root of n (Higham and Mary, 2019).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

EPS = torch.finfo(torch.float32).eps
"""Distance from 1 to the next float32 number: 1.2e-7."""


def rounding(additions: int, *, scale: float = 1.0) -> float:
    """Largest difference that another order of additions may cause.

    Args:
        additions: additions from the input to one number of the result: the length of a sum, or the lengths of all
            sums that follow one another.
        scale: largest absolute value of the result; 1 for a difference relative to it.
    """
    return EPS * math.sqrt(additions) * scale


def tower_additions(width: int, layers: int) -> int:
    """Additions of a tower from its input to a feature.

    Each block adds the output of its attention and that of its MLP, whose longest sum has four widths.

    Args:
        width: channels of a token.
        layers: number of blocks.
    """
    return 2 * layers * 4 * width


SMALL_TEXT_TOWER = tower_additions(64, 3)
"""Additions of the tiny CLIP's text tower. A gradient has three times as many: forward, and two products back."""
SMALL_IMAGE_TOWER = tower_additions(128, 3)
"""Additions of its image tower."""


def assert_equal_but_for_rounding(ours: Tensor, theirs: Tensor, additions: int = SMALL_TEXT_TOWER) -> None:
    """Two tensors of one computation with its additions in another order are equal."""
    largest = float(theirs.detach().abs().max())
    torch.testing.assert_close(ours, theirs, atol=rounding(additions, scale=largest), rtol=0)
