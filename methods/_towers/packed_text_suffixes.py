"""Class suffixes packed without padding, several in each row of bounded length.

A mask lets a position attend to the shared prefix and to the earlier positions of its own class. Everything else in the
tower works position by position. Unlike one padded row per class, this computes no padding, and the matrix products are
few and large.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from methods._base.devices import on_device
from methods._text.prompt_embeddings import TextPrompts
from methods._towers.blocks import BlockView, blend_tokens, finish_block, join_heads, split_heads

ROW = 128
"""Positions per row. Longer rows waste attention on other classes, shorter ones leave more of a row empty."""


@dataclass(frozen=True)
class Packing:
    """The layout of a class list's positions in the rows.

    Args:
        source: `(rows, length)`, index into the flattened `(n_cls * n_suffix)` positions; padding repeats index 0.
        sees: `(rows, length, length)`, whether a position may attend to another of its row.
        ends: `(n_cls, 2)`, row and column of each class's end-of-text.
    """

    source: Int[Tensor, "rows length"]
    sees: Bool[Tensor, "rows length length"]
    ends: Int[Tensor, "n_cls 2"]
    _masks: dict[tuple[int, torch.dtype], Tensor] = field(default_factory=dict, repr=False, compare=False)

    def mask(self, n_prefix: int, dtype: torch.dtype) -> Float[Tensor, "rows 1 length all"]:
        """Additive mask over a prefix, which all positions attend to, and the row. The last mask is cached."""
        key = (n_prefix, dtype)
        if key not in self._masks:
            n_rows, length = self.source.shape
            sees = torch.cat([self.sees.new_ones(n_rows, length, n_prefix), self.sees], dim=2)[:, None]
            self._masks.clear()
            self._masks[key] = torch.zeros(sees.shape, device=sees.device, dtype=dtype).masked_fill_(~sees, -torch.inf)
        return self._masks[key]


def pack_suffixes(prompts: TextPrompts, row: int = ROW) -> Packing:
    """Distribute whole classes over rows of nearly equal length.

    Args:
        row: target number of positions per row.
    """
    return _pack(prompts.sizes, prompts.suffix.shape[1], row, prompts.lengths.device)


@lru_cache(maxsize=64)
def _pack(lengths: tuple[int, ...], n_suffix: int, row: int, device: torch.device) -> Packing:
    rows: list[list[int]] = [[] for _ in range(min(len(lengths), -(-sum(lengths) // row)))]
    filled = [(0, r) for r in range(len(rows))]
    for c in sorted(range(len(lengths)), key=lambda c: -lengths[c]):
        used, r = heapq.heappop(filled)
        rows[r].append(c)
        heapq.heappush(filled, (used + lengths[c], r))
    size = max(used for used, _ in filled)
    source = np.zeros((len(rows), size), np.int64)
    owner = np.full((len(rows), size), -1)
    place = np.zeros((len(rows), size), np.int64)
    ends = np.zeros((len(lengths), 2), np.int64)
    for r, classes in enumerate(rows):
        at = 0
        for c in classes:
            span, steps = slice(at, at + lengths[c]), np.arange(lengths[c])
            source[r, span], owner[r, span], place[r, span] = c * n_suffix + steps, c, steps
            at += lengths[c]
            ends[c] = r, at - 1
    sees = (owner[:, :, None] == owner[:, None, :]) & (place[:, :, None] >= place[:, None, :])
    sees &= (owner >= 0)[:, :, None]
    # padding attends to itself, so that no softmax is empty
    sees |= np.eye(size, dtype=bool) & (owner < 0)[:, :, None]
    tensors = [on_device(torch.from_numpy(array), device) for array in (source, sees, ends)]
    return Packing(tensors[0], tensors[1], tensors[2])


def prefix_states(
    prefix: Float[Tensor, "n_each n_prefix width"],
    blocks: Sequence[BlockView],
    deep: Sequence[Tensor],
    n_start: int = 1,
    *,
    kept: float = 0.0,
) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of one or several prefixes before each block, `(n_each, n_prefix, width)`.

    Before block j + 1, `deep[j]` replaces the tokens after the first `n_start`. `kept` is the share of the previous
    block's output that stays in their positions; see `blend_tokens`.
    """
    states = []
    for i, block in enumerate(blocks):
        if 1 <= i <= len(deep):
            end = n_start + len(deep[i - 1])
            ctx = blend_tokens(deep[i - 1], prefix[:, n_start:end], kept)
            prefix = torch.cat([prefix[:, :n_start], ctx, prefix[:, end:]], dim=1)
        q, k, v = block.qkv(block.norm_1(prefix))
        states.append((k, v))
        if i + 1 < len(blocks):
            q, k, v = (split_heads(x, block.heads) for x in (q, k, v))
            prefix = finish_block(block, prefix, join_heads(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
    return states


def packed_rows(suffix: Float[Tensor, "n_cls n_suffix width"], packing: Packing) -> Float[Tensor, "rows length width"]:
    """Suffixes of the padded layout as rows."""
    return suffix.flatten(0, 1)[packing.source]


def run_packed(
    x: Float[Tensor, "rows length width"],
    packing: Packing,
    states: Sequence[tuple[Tensor, Tensor]],
    blocks: Sequence[BlockView],
    *,
    pooled: bool = True,
) -> Tensor:
    """Hidden states of each class's end-of-text after the last block, for each prefix: `(n_each, n_cls, width)`.

    Suffixes enter the first block once for all prefixes, since none has attended to its prefix before.

    Args:
        x: embedded suffixes with positions, or hidden states of them, in rows.
        states: keys and values of the prefixes by block.
        blocks: blocks to run, as many as `states`; at least one.
        pooled: False gives all positions after the last of these blocks, `(n_each * rows, length, width)`.
    """
    n_rows = len(packing.source)
    n_each, n_prefix, _ = states[0][0].shape
    row, place = packing.ends.T
    row = row[None] if n_each == 1 else row + n_rows * torch.arange(n_each, device=row.device)[:, None]
    mask: Tensor | None = None
    for i, (block, (prefix_k, prefix_v)) in enumerate(zip(blocks, states, strict=True)):
        q, k, v = block.qkv(block.norm_1(x))
        if i == 0 and n_each > 1:
            x, q, k, v = (each.repeat(n_each, 1, 1) for each in (x, q, k, v))
        if mask is None:
            mask = packing.mask(n_prefix, q.dtype)
            mask = mask.repeat(n_each, 1, 1, 1) if n_each > 1 else mask
        k = torch.cat([_each_row(prefix_k, n_rows), k], dim=1)
        v = torch.cat([_each_row(prefix_v, n_rows), v], dim=1)
        q, k, v = (split_heads(part, block.heads) for part in (q, k, v))
        attended = join_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
        if pooled and i + 1 == len(blocks):
            # only the end-of-text positions of the last block are needed
            return finish_block(block, x[row, place], attended[row, place])
        x = finish_block(block, x, attended)
    return x


def _each_row(x: Tensor, n_rows: int) -> Tensor:
    """Keys or values of each prefix, once for each of its rows."""
    return x.expand(n_rows, -1, -1) if len(x) == 1 else x.repeat_interleave(n_rows, dim=0)
