"""Texts as whole sequences: towers without a causal mask, and blocks that read later positions.

With the own causal blocks of a tower, texts share a prefix and no position after end-of-text matters (`text_tower.py`).
Without a mask, or with a convolution over neighbouring words, neither is true, so each text runs separately, padding
included.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from datasets_registry import BenchError
from methods._text.prompt_embeddings import TextPrompts
from methods._text.tokenizers import Tokenizer
from methods._towers.blocks import BlockView, causal_mask, is_standard, run_block
from methods._towers.text_tower import TextHook, TextTower, recomputed_in_backward
from methods._towers.tower_facts import TextKind

ROWS = 128
"""Texts whose activations are held at once; each takes the whole context. More of them are recomputed in backward."""


class WholeTextTower(TextTower):
    """A text tower without a causal mask. No hidden state is shared between classes, so every class runs as one row."""

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
        run = partial(self._pooled, blocks=blocks, deep=deep)
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

    @abstractmethod
    def _pooled(
        self, prompts: TextPrompts, *, blocks: Sequence[BlockView], deep: Sequence[Tensor]
    ) -> Float[Tensor, "n_cls width"]:
        """What is projected to the joint space. Without `blocks`, the tower's own run."""


class UnmaskedTextTower(WholeTextTower):
    """A text tower of open_clip without a causal mask (SigLIP, CLIPA, MobileCLIP S).

    Every position attends to all others, including padding, so each row has the whole context. The tower pools at the
    last position, or at the end of the text.
    """

    def __init__(self, modules: Any) -> None:
        super().__init__(modules)
        self.pools_last = _pool_type(modules) == "last"

    def _pooled(
        self, prompts: TextPrompts, *, blocks: Sequence[BlockView], deep: Sequence[Tensor]
    ) -> Float[Tensor, "n_cls width"]:
        """States of the pooled positions after the final norm."""
        n_cls, n_start = len(prompts), prompts.n_start
        text = torch.cat([prompts.prefix.expand(n_cls, -1, -1), prompts.suffix], dim=1)
        missing = self.context_length - text.shape[1]
        pad = self.modules.token_embedding.weight[prompts.pad]
        x = torch.cat([text, pad.expand(n_cls, missing, -1)], dim=1) + self.modules.positional_embedding
        for i, block in enumerate(blocks or self.views):
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


class HuggingFaceTextTower(WholeTextTower):
    """open_clip's text tower around an encoder of Hugging Face (BERT in BiomedCLIP, RoBERTa, XLM-R, mT5, NLLB).

    The encoder runs on embeddings instead of token ids and adds its own positions. A mask hides the padding, so texts
    are cut after the longest one. Its blocks are not pre-norm blocks, so no parts of them can be replaced.
    """

    def __init__(self, modules: Any) -> None:
        self.modules = modules
        layers = next(part for part in modules.transformer.modules() if isinstance(part, nn.ModuleList))
        self.blocks = list(layers)
        self.width = self.token_embedding.embedding_dim
        self.cls_embedding = None
        self.positions = self.context_length = modules.context_length or sys.maxsize  # mT5 has relative positions

    @property
    def token_embedding(self) -> nn.Embedding:
        embedding: nn.Embedding = self.modules.transformer.get_input_embeddings()
        return embedding

    def ends(self, tokens: Int[Tensor, "n context"], tokenizer: Tokenizer) -> Int[Tensor, " n"]:  # noqa: ARG002
        """Position of the last token that is not the encoder's padding token, as open_clip masks it."""
        read: Tensor = tokens != self.modules.config.pad_token_id
        return read.sum(dim=1) - 1

    @property
    def views(self) -> Sequence[BlockView]:
        """Raises BenchError."""
        raise BenchError(f"This text tower is {TextKind.HUGGING_FACE}, so its blocks cannot be changed; choose a CLIP.")

    def with_final_norm(self, norm: nn.Module) -> TextTower:  # noqa: ARG002
        """Raises BenchError."""
        raise BenchError(f"This text tower is {TextKind.HUGGING_FACE} and has no final norm; choose a CLIP.")

    def project_to_joint_space(self, pooled: Tensor) -> Tensor:
        """Projection of the pooled state to the joint space."""
        projected: Tensor = self.modules.proj(pooled)
        return projected

    def _pooled(
        self, prompts: TextPrompts, *, blocks: Sequence[BlockView], deep: Sequence[Tensor]
    ) -> Float[Tensor, "n_cls width"]:
        if blocks:
            raise BenchError(
                f"This text tower is {TextKind.HUGGING_FACE}, so its blocks cannot be changed; choose a CLIP."
            )
        text = torch.cat([prompts.prefix.expand(len(prompts), -1, -1), prompts.suffix], dim=1)
        ends = prompts.prefix.shape[0] + prompts.lengths
        mask = (torch.arange(text.shape[1], device=text.device) < ends[:, None]).long()
        with ExitStack() as stack:
            for block, tokens in zip(self.blocks[1:], deep, strict=False):
                hook = partial(_place_tokens, tokens, prompts.n_start)
                stack.callback(block.register_forward_pre_hook(hook).remove)
            states = self.modules.transformer(inputs_embeds=text, attention_mask=mask)
        pooled: Tensor = self.modules.pooler(states, mask)
        return pooled


def _place_tokens(tokens: Tensor, start: int, module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:  # noqa: ARG001
    """The arguments of a block with learned tokens `(n, width)` in each row of its input, from position `start` on."""
    x = arguments[0]
    x = torch.cat([x[:, :start], tokens.expand(len(x), -1, -1), x[:, start + len(tokens) :]], dim=1)
    return x, *arguments[1:]


def wrap_text_tower(modules: Any) -> TextTower | None:
    """The functional view of an open_clip text tower; None for one that runs only as a whole."""
    if hasattr(modules, "pooler"):  # open_clip's class for models of Hugging Face
        return HuggingFaceTextTower(modules)
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
