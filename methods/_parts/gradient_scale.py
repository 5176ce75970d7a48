"""A factor that differs between the forward pass and the gradient (MMA, LwEIB)."""

from typing import Any

import torch
from torch import Tensor


class Scaled(torch.autograd.Function):
    """Multiplies the value by `forward` and the gradient by `backward`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, forward: float, backward: float) -> Tensor:
        """The scaled value."""
        ctx.backward_scale = backward
        return x * forward

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient times its factor."""
        return gradient * ctx.backward_scale, None, None
