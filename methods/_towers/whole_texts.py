"""Texts as whole sequences: towers without a causal mask, and blocks that read later positions.

With the own causal blocks of a tower, texts share a prefix and no position after end-of-text matters (`text_tower.py`).
Without a mask, or with a convolution over neighbouring words, neither is true, so each text runs separately, padding
included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from datasets_registry import BenchError
from methods._text.prompt_embeddings import TextPrompts
from methods._towers.blocks import BlockView, causal_mask, is_standard, run_block
from methods._towers.text_tower import TextHook, TextTower, recomputed_in_backward

ROWS = 128
"""Texts whose activations are held at once; each takes the whole context. More of them are recomputed in backward."""


class UnmaskedTextTower(TextTower):
    """A text tower without a causal mask (SigLIP, CLIPA, MobileCLIP S).

    Every position attends to all others, including padding. So every class runs as one row of the whole context, and no
    hidden state is shared between classes. The tower pools at the last position, or at the end of the text.
    """

    def __init__(self, modules: Any) -> None:
        super().__init__(modules)
        self.pools_last = _pool_type(modules) == "last"

    @property
    def whole_texts_because(self) -> str:
        return "has no causal mask"

    def encode(
        self,
        prompts: TextPrompts,
        *,
        deep: Sequence[Float[Tensor, "n_ctx width"]] = (),
        blocks: Sequence[BlockView] = (),
        before_block: TextHook | None = None,
        project: bool = True,
        rows: int = ROWS,
    ) -> Float[Tensor, "n_cls dim"]:
        """As `TextTower.encode`; raises BenchError for a `before_block`."""
        self.check_prompts(prompts, deep, before_block)
        run = partial(self._pooled, blocks=blocks or self.views, deep=deep)
        if blocks or len(prompts) <= rows:
            pooled = run(prompts)
        else:
            pooled = torch.cat([recomputed_in_backward(run, chunk) for chunk in prompts.chunks(rows)])
        return self.project_to_joint_space(pooled) if project else pooled

    def encode_each(
        self, prompts: TextPrompts, prefixes: Float[Tensor, "batch n_prefix width"], *, rows: int = ROWS
    ) -> Float[Tensor, "batch n_cls dim"]:
        """As `TextTower.encode_each`."""
        return torch.stack([self.encode(replace(prompts, prefix=prefix), rows=rows) for prefix in prefixes])

    def _pooled(
        self, prompts: TextPrompts, *, blocks: Sequence[BlockView], deep: Sequence[Tensor]
    ) -> Float[Tensor, "n_cls width"]:
        """States of the pooled positions after the final norm."""
        n_cls, n_start = len(prompts), prompts.n_start
        text = torch.cat([prompts.prefix.expand(n_cls, -1, -1), prompts.suffix], dim=1)
        missing = self.context_length - text.shape[1]
        pad = self.modules.token_embedding.weight[prompts.pad]
        x = torch.cat([text, pad.expand(n_cls, missing, -1)], dim=1) + self.modules.positional_embedding
        for i, block in enumerate(blocks):
            if 1 <= i <= len(deep):
                ctx = deep[i - 1].expand(n_cls, -1, -1)
                x = torch.cat([x[:, :n_start], ctx, x[:, n_start + ctx.shape[1] :]], dim=1)
            x = run_block(block, x)
        if self.pools_last:
            pooled = x[:, -1]
        else:
            pooled = x[torch.arange(n_cls, device=x.device), prompts.prefix.shape[0] + prompts.lengths - 1]
        normed: Tensor = self.modules.ln_final(pooled)
        return normed


def wrap_text_tower(modules: Any) -> TextTower | None:
    """The functional view of an open_clip text tower; None for one that runs only as a whole."""
    if not hasattr(modules, "positional_embedding") or not all(map(is_standard, modules.transformer.resblocks)):
        return None
    pool, unmasked = _pool_type(modules), modules.attn_mask is None
    if getattr(modules, "cls_emb", None) is not None:
        return None if unmasked else TextTower(modules)
    if unmasked:
        return UnmaskedTextTower(modules) if pool in ("last", "argmax") else None
    return TextTower(modules) if pool in ("argmax", "eos") else None


def _pool_type(modules: Any) -> str:
    return str(getattr(modules, "text_pool_type", None) or getattr(modules, "pool_type", "argmax"))


def encode_whole_texts(
    tower: TextTower, tokens: Int[Tensor, "n length"], eot: Int[Tensor, " n"], blocks: Sequence[BlockView]
) -> Float[Tensor, "n dim"]:
    """Text features at the end-of-text tokens, unnormalised.

    Raises BenchError for a tower without a causal mask, or with an appended class token.
    """
    if (because := tower.whole_texts_because) is not None:
        raise BenchError(f"This text tower {because}, so its blocks cannot read neighbouring words; choose a CLIP.")
    length, modules = tokens.shape[1], tower.modules
    x = modules.token_embedding(tokens) + modules.positional_embedding[:length]
    mask = causal_mask(length, length, device=x.device, dtype=x.dtype)
    for block in blocks:
        x = run_block(block, x, mask)
    pooled = x[torch.arange(len(x), device=x.device), eot]
    return tower.project_to_joint_space(modules.ln_final(pooled))
