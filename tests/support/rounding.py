"""How much rounding may change a result, from the arithmetic alone: the same on every processor.

A sum of float32 numbers depends on the order of its additions, which vector width, threads and BLAS choose. Each
addition rounds by at most half of `EPS`, relative to its partial sum, with a random sign. So the error of n additions,
in one sum or in sums that follow one another, grows like the square root of n (Higham and Mary, 2019).
"""

from __future__ import annotations

import math

import torch

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


def tower_rounding(width: int, layers: int) -> float:
    """Largest difference of a tower's features, relative to their length.

    Each block adds the output of its attention and that of its MLP, whose longest sum has four widths.

    Args:
        width: channels of a token.
        layers: number of blocks.
    """
    return rounding(2 * layers * 4 * width)
