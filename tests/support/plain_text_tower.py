"""The text tower without shortcuts, as the official implementations run it: the reference for the shared prefix."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from methods import TextPrompts
from methods._towers import blocks as towers_blocks
from methods._towers import text_tower


def encode_plain(
    tower: text_tower.TextTower,
    prompts: TextPrompts,
    *,
    deep: Sequence[Tensor] = (),
    blocks: Sequence[towers_blocks.BlockView] = (),
    before_block: text_tower.TextHook | None = None,
) -> Tensor:
    """Text features with every class padded to the full context and every position run in every block."""
    tower.check_prompts(prompts, deep, before_block)
    n_cls, n_prefix = len(prompts), prompts.prefix.shape[0]
    x = torch.cat([prompts.prefix.expand(n_cls, -1, -1), prompts.suffix], dim=1)
    pad = tower.modules.token_embedding.weight[0]
    missing = tower.context_length - x.shape[1]
    x = torch.cat([x, pad.expand(n_cls, missing, -1)], dim=1)
    eot = n_prefix + prompts.lengths - 1
    mask = towers_blocks.causal_mask(tower.positions, tower.positions, device=x.device, dtype=x.dtype)
    pooled_at = eot
    if tower.cls_embedding is not None:
        x = torch.cat([x, tower.cls_embedding.expand(n_cls, 1, -1)], dim=1)
        mask = mask + tower._key_mask(eot, x.dtype)[:, None, None, :]
        pooled_at = torch.full_like(eot, tower.positions - 1)
    x = x + tower.modules.positional_embedding
    for i, block in enumerate(blocks or tower.views):
        if 1 <= i <= len(deep):
            ctx = deep[i - 1].expand(n_cls, -1, -1)
            x = torch.cat([x[:, :1], ctx, x[:, 1 + ctx.shape[1] :]], dim=1)
        if before_block is not None:
            prefix, suffix = before_block(i, x[:, :n_prefix], x[:, n_prefix:])
            n_prefix, before = prefix.shape[1], x.shape[1]
            x = torch.cat([prefix, suffix], dim=1)
            pooled_at = pooled_at + x.shape[1] - before
            mask = towers_blocks.causal_mask(x.shape[1], x.shape[1], device=x.device, dtype=x.dtype)
        x = towers_blocks.run_block(block, x, mask)
    pooled = x[torch.arange(n_cls, device=x.device), pooled_at]
    return tower.project_to_joint_space(tower.modules.ln_final(pooled))
