"""The text tower as functions over open_clip's modules, with an exact forward pass that runs a shared prefix once.

`encode` runs the prefix of `TextPrompts` once and the suffixes per class, packed without padding. In the last block it
computes only the pooled positions. `encode_each` is for prefixes that depend on the image (CoCoOp). The official
implementations pad every class to the full context and run every position; tests compare with that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from datasets_registry import BenchError
from methods._text.prompt_embeddings import TextPrompts
from methods._text.tokenizers import Tokenizer
from methods._towers.blocks import (
    BlockView,
    causal_mask,
    finish_block,
    join_heads,
    split_heads,
    view_block,
    with_modules,
)
from methods._towers.packed_text_suffixes import pack_suffixes, packed_rows, prefix_states, run_packed

TextHook = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]
"""`hook(i, prefix, suffix)` is called before block i and returns the prefix and suffix that enter the block, all
`(n, tokens, width)`.

It may move tokens from the end of the prefix to the front of the suffix, and insert or replace some there. The end of
the suffix must stay. The prefix has one row for all classes.
"""

ROWS = 1024
"""Suffixes whose activations are held at once. More of them run in chunks, recomputed in backward. This bounds memory;
results change by rounding at most."""


class TextTower:
    """Functional view of a causal open_clip text tower (CLIP's, or CoCa's with its appended class token).

    `wrap_text_tower` chooses this class or another one.

    Args:
        modules: the module that owns `token_embedding`, `positional_embedding`, `transformer`, `ln_final` and
            `text_projection`: a `CLIP`, or the `text` part of a model with its own text tower.
    """

    def __init__(self, modules: Any) -> None:
        self.modules = modules
        self.blocks: Sequence[Any] = list(modules.transformer.resblocks)
        self.width: int = modules.positional_embedding.shape[1]
        self.positions: int = modules.positional_embedding.shape[0]
        self.cls_embedding: Tensor | None = getattr(modules, "cls_emb", None)
        self.context_length: int = self.positions - (self.cls_embedding is not None)
        self.legacy_cls_mask = not getattr(modules, "correct_cls_mask", False)

    @cached_property
    def views(self) -> Sequence[BlockView]:
        """The parts of each block."""
        return [view_block(block) for block in self.blocks]

    @property
    def token_embedding(self) -> nn.Embedding:
        """The word embeddings."""
        embedding: nn.Embedding = self.modules.token_embedding
        return embedding

    def ends(self, tokens: Int[Tensor, "n context"], tokenizer: Tokenizer) -> Int[Tensor, " n"]:
        """Position of the last token that the tower reads of each padded text."""
        return tokenizer.ends(tokens)

    @property
    def whole_texts_because(self) -> str | None:
        """Why texts cannot be split into prefix and suffix, as a clause; None if they can."""
        return None if self.cls_embedding is None else "ends with a class token"

    def with_final_norm(self, norm: nn.Module) -> TextTower:
        """This tower with another norm after its last block."""
        return type(self)(with_modules(self.modules, ln_final=norm))

    def project_to_joint_space(self, pooled: Tensor) -> Tensor:
        """Projection of the pooled state after the final norm to the joint space."""
        projection = self.modules.text_projection
        if projection is None:
            return pooled
        return projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection

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
        """Text features, unnormalised, one per class.

        Args:
            deep: context of blocks 1, 2, ...: before block j+1, `deep[j]` replaces the n_ctx tokens after the start.
            blocks: run instead of the tower's own blocks; made from `views`.
            before_block: may change both parts of the text before each block, after `deep` was placed.
            project: False returns the state after the final norm, before the projection.
            rows: suffixes that run at once with the tower's own blocks. Other blocks may draw random numbers, which
                differ when they are recomputed in backward, so they run all at once.
        """
        self.check_prompts(prompts, deep, before_block)
        at_once = len(prompts) if blocks else rows
        n_prefix, blocks = prompts.prefix.shape[0], blocks or self.views
        prefix = (prompts.prefix + self.modules.positional_embedding[:n_prefix])[None]
        if before_block is None and self.cls_embedding is None:
            states = prefix_states(prefix, blocks, deep, prompts.n_start)
            pooled = self.modules.ln_final(self._in_chunks(prompts, states, blocks, at_once)[0])
        else:
            pooled = self._run(prompts, prefix, deep=deep, blocks=blocks, before_block=before_block)
        return self.project_to_joint_space(pooled) if project else pooled

    def encode_each(
        self, prompts: TextPrompts, prefixes: Float[Tensor, "batch n_prefix width"], *, rows: int = ROWS
    ) -> Float[Tensor, "batch n_cls dim"]:
        """Text features, unnormalised, of every class after each image's prefix, which replaces the shared prefix.

        A prefix runs once per image, and suffixes enter block 0 once per class; `rows` (image, class) pairs at a time.
        """
        self.check_prompts(prompts)
        prefixes = prefixes + self.modules.positional_embedding[: prefixes.shape[1]]
        features = []
        for some in torch.split(prefixes, max(1, rows // len(prompts))):
            if self.cls_embedding is None:
                states, alone = prefix_states(some, self.views, ()), len(some) == len(prefixes)
                features.append(self.modules.ln_final(self._in_chunks(prompts, states, self.views, rows, alone=alone)))
            else:
                parts = [self._run(chunk, some, blocks=self.views) for chunk in prompts.chunks(rows)]
                features.append(torch.cat([part.reshape(len(some), -1, part.shape[1]) for part in parts], dim=1))
        return self.project_to_joint_space(torch.cat(features))

    def _in_chunks(
        self,
        prompts: TextPrompts,
        states: Sequence[tuple[Tensor, Tensor]],
        blocks: Sequence[BlockView],
        rows: int,
        *,
        alone: bool = True,
    ) -> Float[Tensor, "n_each n_cls width"]:
        """`_packed` for at most `rows` suffixes at a time; with several chunks, activations are recomputed in backward.

        `alone`: whether no other prompts are in memory at the same time.
        """
        size = max(1, rows // len(states[0][0]))
        if alone and len(prompts) <= size:
            return self._packed(prompts, states, blocks)
        parts = [recomputed_in_backward(self._packed, chunk, states, blocks) for chunk in prompts.chunks(size)]
        return torch.cat(parts, dim=1)

    def _packed(
        self, prompts: TextPrompts, states: Sequence[tuple[Tensor, Tensor]], blocks: Sequence[BlockView]
    ) -> Float[Tensor, "n_each n_cls width"]:
        """States of the pooled positions after the last block, from the keys and values of the prefixes."""
        positions = self.modules.positional_embedding[prompts.prefix.shape[0] : prompts.longest]
        packing = pack_suffixes(prompts)
        return run_packed(packed_rows(prompts.suffix + positions, packing), packing, states, blocks)

    def _run(
        self,
        prompts: TextPrompts,
        prefix: Tensor,
        *,
        blocks: Sequence[BlockView],
        deep: Sequence[Tensor] = (),
        before_block: TextHook | None = None,
    ) -> Tensor:
        """States of the pooled positions after the final norm; `prefix` `(n, n_prefix, width)` includes its positions.

        With n prefixes there are `n * n_cls` rows, grouped by prefix.
        """
        n_cls, n_prefix, n_each = len(prompts), prefix.shape[1], len(prefix)
        suffix = prompts.suffix + self.modules.positional_embedding[n_prefix : n_prefix + prompts.suffix.shape[1]]
        pooled_at = prompts.lengths - 1
        if self.cls_embedding is None:
            mask = causal_mask(suffix.shape[1], prompts.longest, device=suffix.device, dtype=suffix.dtype)
        else:
            suffix, mask, pooled_at = self._append_cls(prompts, suffix)
            mask = mask.repeat(n_each, 1, 1, 1) if n_each > 1 else mask
        pooled_at = pooled_at.repeat(n_each)
        rows = torch.arange(n_each * n_cls, device=suffix.device)
        last = len(blocks) - 1
        for i, block in enumerate(blocks):
            if 1 <= i <= len(deep):
                ctx = deep[i - 1]
                start = prompts.n_start
                prefix = torch.cat([prefix[:, :start], ctx[None], prefix[:, start + ctx.shape[0] :]], dim=1)
            if before_block is not None:
                length = suffix.shape[1]
                prefix, suffix = before_block(i, prefix, suffix)
                pooled_at = pooled_at + (suffix.shape[1] - length)
                total = prefix.shape[1] + suffix.shape[1]
                mask = causal_mask(suffix.shape[1], total, device=suffix.device, dtype=suffix.dtype)
            qp, kp, vp = (split_heads(x, block.heads) for x in block.qkv(block.norm_1(prefix)))
            qs, ks, vs = block.qkv(block.norm_1(suffix))
            if n_each > 1 and i == 0:
                # up to here no suffix has attended to its prefix
                suffix, qs, ks, vs = (x.repeat(n_each, 1, 1) for x in (suffix, qs, ks, vs))
            # all classes attend to the same keys and values of the prefix
            k = torch.cat([_each_row(kp, n_cls), split_heads(ks, block.heads)], dim=2)
            v = torch.cat([_each_row(vp, n_cls), split_heads(vs, block.heads)], dim=2)
            if i == last:
                # only the pooled position of the last block is needed
                q = split_heads(qs[rows, pooled_at][:, None], block.heads)
                row_mask = mask[pooled_at] if mask.dim() == 2 else mask[rows, 0, pooled_at]
                attended = join_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=row_mask[:, None, None]))
                pooled = finish_block(block, suffix[rows, pooled_at][:, None], attended)[:, 0]
                break
            attended = join_heads(F.scaled_dot_product_attention(split_heads(qs, block.heads), k, v, attn_mask=mask))
            suffix = finish_block(block, suffix, attended)
            if prefix.shape[1]:
                attended_prefix = join_heads(F.scaled_dot_product_attention(qp, kp, vp, is_causal=True))
                prefix = finish_block(block, prefix, attended_prefix)
        return self.modules.ln_final(pooled)

    def check_prompts(
        self, prompts: TextPrompts, deep: Sequence[Tensor] = (), before_block: TextHook | None = None
    ) -> None:
        """Raise BenchError for prompts that do not fit the context, or changes that do not fit the tower."""
        if before_block is not None and self.whole_texts_because is not None:
            raise BenchError(
                f"This text tower {self.whole_texts_because}, so no tokens can be replaced inside it; choose a CLIP."
            )
        self.check_token_count(prompts)
        if len(deep) >= len(self.blocks):
            raise BenchError(
                f"Text prompts for depth {len(deep) + 1} on a tower of {len(self.blocks)} blocks; lower the depth."
            )
        if deep and prompts.prefix.shape[0] < prompts.n_start + deep[0].shape[0]:
            raise BenchError("Deep text prompts need a context that all classes share; drop class_specific.")

    def check_token_count(self, prompts: TextPrompts) -> None:
        """Raise BenchError for a text that does not fit the context."""
        if prompts.longest > self.context_length:
            raise BenchError(
                f"A prompt of {prompts.longest} tokens does not fit the context of {self.context_length}; "
                "use fewer context vectors or shorter class names."
            )

    def _key_mask(self, eot: Tensor, dtype: torch.dtype) -> Tensor:
        """CoCa's padding mask over keys, `(n_cls, positions)`.

        The released CoCa weights were trained with the class token's validity prepended instead of appended, so
        everything is shifted by one: position eot + 1 is visible, the class token itself is not.
        """
        key = torch.arange(self.positions, device=eot.device)
        valid = (
            key <= (eot + 1)[:, None] if self.legacy_cls_mask else (key <= eot[:, None]) | (key == self.positions - 1)
        )
        return torch.zeros(valid.shape, device=eot.device, dtype=dtype).masked_fill_(~valid, float("-inf"))

    def _append_cls(self, prompts: TextPrompts, suffix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The suffix with the padding token after end-of-text and CoCa's class token, its mask, the pooled position."""
        n_cls, n_prefix = len(prompts), prompts.prefix.shape[0]
        if n_prefix + suffix.shape[1] < self.context_length:
            pad = self.modules.token_embedding.weight[0] + self.modules.positional_embedding[n_prefix + suffix.shape[1]]
            suffix = torch.cat([suffix, pad.expand(n_cls, 1, -1)], dim=1)
        n_text = n_prefix + suffix.shape[1]
        cls = self.cls_embedding + self.modules.positional_embedding[self.positions - 1]
        suffix = torch.cat([suffix, cls.expand(n_cls, 1, -1)], dim=1)
        keys = self._key_mask(n_prefix + prompts.lengths - 1, suffix.dtype)
        keys = torch.cat([keys[:, :n_text], keys[:, -1:]], dim=1)
        mask = causal_mask(suffix.shape[1], n_text + 1, device=suffix.device, dtype=suffix.dtype)
        pooled_at = torch.full_like(prompts.lengths, suffix.shape[1] - 1)
        return suffix, mask + keys[:, None, None, :], pooled_at


def recomputed_in_backward(run: Callable[..., Tensor], *given: Any) -> Tensor:
    """`run(*given)`, whose activations are not stored but recomputed in the backward pass.

    `run` must draw no random numbers; the tower's own blocks have no dropout.
    """
    result: Tensor = checkpoint(run, *given, use_reentrant=False, preserve_rng_state=False)
    return result


def _each_row(x: Tensor, n_cls: int) -> Tensor:
    """Keys or values `(n, heads, tokens, width)` of n prefixes, one row for each of their classes."""
    return x.expand(n_cls, -1, -1, -1) if len(x) == 1 else x.repeat_interleave(n_cls, dim=0)
