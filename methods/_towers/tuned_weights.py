"""Trained copies of a tower's norms and biases that replace the frozen ones in the forward pass."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from methods._towers.blocks import BlockView


class TunedNorms(nn.Module):
    """Copies of both norms of every block of a tower, and of its outer norms if they are given."""

    def __init__(self, blocks: Sequence[BlockView], outer: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.attention = nn.ModuleList([_copy(view.norm_1) for view in blocks])
        self.mlp = nn.ModuleList([_copy(view.norm_2) for view in blocks])
        self.outer = nn.ModuleList([_copy(norm) for norm in outer])

    def views(self, blocks: Sequence[BlockView]) -> list[BlockView]:
        """The tower's blocks with these norms."""
        norms = zip(blocks, self.attention, self.mlp, strict=True)
        return [replace(view, norm_1=attention, norm_2=mlp) for view, attention, mlp in norms]


def _copy(frozen: Any) -> nn.Module:
    trained: nn.Module = copy.deepcopy(frozen).requires_grad_(True)
    return trained


class TunedBiases(nn.Module):
    """Copies of the bias of the second layer of every block's MLP."""

    def __init__(self, blocks: Sequence[BlockView]) -> None:
        super().__init__()
        self.biases = nn.ParameterList([_last_layer(view).bias.detach().clone() for view in blocks])

    def views(self, blocks: Sequence[BlockView]) -> list[BlockView]:
        """The tower's blocks with these biases."""
        return [replace(view, mlp=_Biased(view, bias)) for view, bias in zip(blocks, self.biases, strict=True)]


class _Biased:
    """An MLP with another bias in its last layer."""

    def __init__(self, view: BlockView, bias: Float[Tensor, " width"]) -> None:
        self.hidden: Any = view.mlp[:-1]  # type: ignore[index]
        self.weight, self.bias = _last_layer(view).weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(self.hidden(x), self.weight, self.bias)


def _last_layer(view: BlockView) -> nn.Linear:
    layers: Any = view.mlp
    last: nn.Linear = layers[-1]
    return last
