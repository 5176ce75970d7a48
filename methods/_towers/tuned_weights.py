"""Trained copies of a tower's norms and biases that replace the frozen ones in the forward pass."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from methods._towers.blocks import BlockView, TensorMap


class TunedNorms(nn.Module):
    """Copies of both norms of every block of a tower, and of its outer norms if they are given."""

    def __init__(self, blocks: Sequence[BlockView], outer: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.attention = _trained_copies(view.norm_1 for view in blocks)
        self.mlp = _trained_copies(view.norm_2 for view in blocks)
        self.outer = _trained_copies(outer)

    def views(self, blocks: Sequence[BlockView]) -> list[BlockView]:
        """The tower's blocks with these norms."""
        norms = zip(blocks, self.attention, self.mlp, strict=True)
        return [replace(view, norm_1=attention, norm_2=mlp) for view, attention, mlp in norms]


def _trained_copies(frozen: Iterable[Any]) -> nn.ModuleList:
    return nn.ModuleList([copy.deepcopy(norm) for norm in frozen]).requires_grad_(True)


class TunedBiases(nn.Module):
    """Copies of the bias of the second layer of every block's MLP."""

    def __init__(self, blocks: Sequence[BlockView]) -> None:
        super().__init__()
        mlps: list[Any] = [view.mlp for view in blocks]
        self.biases = nn.ParameterList([mlp[-1].bias.detach().clone() for mlp in mlps])

    def views(self, blocks: Sequence[BlockView]) -> list[BlockView]:
        """The tower's blocks with these biases."""
        return [replace(view, mlp=_with_bias(view.mlp, bias)) for view, bias in zip(blocks, self.biases, strict=True)]


def _with_bias(mlp: Any, bias: Float[Tensor, " width"]) -> TensorMap:
    """An MLP with another bias in its last layer."""
    hidden, weight = mlp[:-1], mlp[-1].weight
    return lambda x: F.linear(hidden(x), weight, bias)
