"""A factor that differs between the forward pass and the gradient (MMA, LwEIB)."""

from typing import Any

import torch
from torch import Tensor


class Scaled(torch.autograd.Function):
    """`forward` times the value, `backward` times the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, forward: float, backward: float) -> Tensor:
        """The scaled value."""
        ctx.backward_scale = backward
        return x * forward

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The gradient, scaled on its own."""
        return gradient * ctx.backward_scale, None, None
