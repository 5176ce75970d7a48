"""One transformer block, taken apart: the queries, keys and values that open_clip's modules hold, as plain functions.

open_clip's own block runs whole sequences. The exact shortcuts of `_text.py` need the pieces: the keys and values of a
shared prefix are computed once and every class attends to them.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def is_standard(block: Any) -> bool:
    """Whether the block is open_clip's pre-norm residual block with a fused `nn.MultiheadAttention`."""
    attention = getattr(block, "attn", None)
    return (
        isinstance(attention, nn.MultiheadAttention)
        and attention.in_proj_weight is not None
        and attention.bias_k is None
        and not hasattr(block, "ln_1_kv")
    )


def split_heads(x: Tensor, heads: int) -> Tensor:
    """`(n, tokens, width)` to `(n, heads, tokens, width / heads)`."""
    return x.reshape(*x.shape[:-1], heads, -1).transpose(-3, -2)


def join_heads(x: Tensor) -> Tensor:
    """The inverse of `split_heads`."""
    return x.transpose(-3, -2).flatten(-2)


def queries_keys_values(block: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Projected queries, keys and values of the normed input, each `(..., tokens, width)`, heads not yet split."""
    attention = block.attn
    q, k, v = F.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
    return q, k, v


def add_attention(block: Any, x: Tensor, attended: Tensor) -> Tensor:
    """Residual stream after attention: output projection, layer scale, addition."""
    return x + block.ls_1(block.attn.out_proj(attended))


def add_mlp(block: Any, x: Tensor) -> Tensor:
    """Residual stream after the block's MLP."""
    return x + block.ls_2(block.mlp(block.ln_2(x)))


def run_block(block: Any, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """A whole block on `(n, tokens, width)`; `mask` is additive, `(tokens, tokens)` or broadcastable to heads."""
    if not is_standard(block):
        return block(x, attn_mask=mask)
    heads = block.attn.num_heads
    q, k, v = (split_heads(part, heads) for part in queries_keys_values(block, x))
    attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return add_mlp(block, add_attention(block, x, join_heads(attended)))


def causal_mask(rows: int, columns: int, *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Additive mask `(rows, columns)`: the last `rows` of `columns` positions, each seeing itself and what precedes."""
    mask = torch.zeros(rows, columns, device=device, dtype=dtype)
    return mask.masked_fill_(torch.ones_like(mask, dtype=torch.bool).triu(columns - rows + 1), float("-inf"))
