"""Low-rank changes of the attention projections inside a tower, beside the frozen weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from methods._towers.blocks import BlockView


class LowRank(nn.Module):
    """`alpha / sqrt(rank) * B A dropout(x)`, zero at first.

    Args:
        width: of x and of the change.
        rank: inner width.
        alpha: the scale is this over the root of the rank.
        dropout: share of x that is dropped when a generator is given.
        generator: draws A, uniform in +-1/sqrt(width) (torch's kaiming_uniform with a = sqrt 5); B starts at zero.
    """

    def __init__(self, width: int, rank: int, alpha: float, dropout: float, generator: torch.Generator) -> None:
        super().__init__()
        bound = width**-0.5
        self.down = nn.Parameter(torch.empty(rank, width).uniform_(-bound, bound, generator=generator))
        self.up = nn.Parameter(torch.zeros(width, rank))
        self.scale, self.dropout = alpha / rank**0.5, dropout

    def forward(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """The change of the projection of x `(..., width)`; None as generator means no dropout."""
        if generator is not None and self.dropout:
            keep = torch.rand(x.shape, generator=generator).to(x.device) >= self.dropout
            x = x * keep / (1 - self.dropout)
        change: Tensor = x @ self.down.T @ self.up.T * self.scale
        return change


class LowRankTower(nn.Module):
    """Changes of some projections in every block of a tower.

    Args:
        depth: number of blocks; 0 leaves the tower unchanged.
        targets: projections that change, of `q`, `k`, `v`, `o`.
        settings: width, rank, alpha, dropout and generator of each change.
    """

    def __init__(self, depth: int, targets: Sequence[str], *settings: int | float | torch.Generator) -> None:
        super().__init__()
        names = [name for name in "qkvo" if name in targets]
        self.blocks = nn.ModuleList(
            [nn.ModuleDict({name: LowRank(*settings) for name in names}) for _ in range(depth)]  # type: ignore[arg-type]
        )

    def views(self, frozen: Sequence[BlockView], generator: torch.Generator | None) -> list[BlockView]:
        """The tower's blocks with changed projections; None as generator means no dropout."""
        return [_changed(*pair, generator) for pair in zip(frozen, self.blocks, strict=True)]  # type: ignore[arg-type]


def _changed(view: BlockView, changes: nn.ModuleDict, generator: torch.Generator | None) -> BlockView:
    def qkv(normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = (
            frozen + changes[name](normed, generator) if name in changes else frozen
            for name, frozen in zip("qkv", view.qkv(normed), strict=True)
        )
        return q, k, v

    def out(attended: Tensor) -> Tensor:
        frozen = view.out(attended)
        return frozen + changes["o"](attended, generator) if "o" in changes else frozen

    return replace(view, qkv=qkv, out=out)
