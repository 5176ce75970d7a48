"""Class texts as input of the text tower: one prefix shared by all classes, and a short suffix per class.

CLIP's text tower is causal and pools at the end-of-text token. So positions after the last end-of-text token have no
effect, and a prefix that all classes share (start token, learned context, the words of a template before the class
name) has the same hidden states for all classes. The prefix is stored once here, and run once in
`_towers/text_tower.py`. Towers without a causal mask also read the padding, which is the token `pad`
(`_towers/whole_texts.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from methods._base.devices import on_device

Position = Literal["end", "middle", "front"]


@dataclass(frozen=True)
class TextPrompts:
    """Embedded texts of one class list, without positional embeddings.

    Args:
        prefix: `(n_prefix, width)`, shared by all classes; begins with the start-of-text token, if there is one.
        suffix: `(n_cls, n_suffix, width)`, padded on the right.
        lengths: `(n_cls,)`, number of valid suffix positions; the last valid position is end-of-text.
        known_sizes: `lengths` as numbers, if they are known without reading the tensor.
        n_start: number of tokens before the context, which deep prompts replace: the start-of-text token, if there is
            one, and vectors before the context (`atprompt_on`).
        pad: the token that fills a text up to the context.
    """

    prefix: Float[Tensor, "n_prefix width"]
    suffix: Float[Tensor, "n_cls n_suffix width"]
    lengths: Int[Tensor, " n_cls"]
    known_sizes: tuple[int, ...] | None = None
    n_start: int = 1
    pad: int = 0

    def __len__(self) -> int:
        return self.suffix.shape[0]

    @property
    def longest(self) -> int:
        """Positions of the longest text, start and end tokens included."""
        return self.prefix.shape[0] + self.suffix.shape[1]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """`lengths` as numbers; reading them from a GPU waits for it."""
        return tuple(self.lengths.tolist()) if self.known_sizes is None else self.known_sizes

    def select(self, kept: Sequence[int]) -> TextPrompts:
        """The texts of some of the classes, by their positions."""
        index = on_device(torch.tensor(kept), self.suffix.device)
        sizes = tuple(self.sizes[c] for c in kept)
        return TextPrompts(self.prefix, self.suffix[index], self.lengths[index], sizes, self.n_start, self.pad)

    def chunks(self, size: int) -> list[TextPrompts]:
        """The texts of at most `size` classes at a time."""
        sizes = [self.sizes[i : i + size] for i in range(0, len(self), size)]
        parts = zip(torch.split(self.suffix, size), torch.split(self.lengths, size), sizes, strict=True)
        return [TextPrompts(self.prefix, *part, self.n_start, self.pad) for part in parts]


@dataclass(frozen=True)
class TokenizedTexts:
    """Tokenised and embedded texts, without learned vectors.

    Tokens are on the CPU, so that nothing about the texts is read back from a GPU.

    Args:
        tokens: `(n, longest)`, cut after the longest text, on the CPU.
        embedded: `(n, longest, width)`, on the device.
        eot: `(n,)`, position of end-of-text, on the CPU.
        n_start: number of start-of-text tokens: 1, or 0 for a tokenizer without one (SigLIP).
        pad: as in `TextPrompts`.
    """

    tokens: Int[Tensor, "n longest"]
    embedded: Float[Tensor, "n longest width"]
    eot: Int[Tensor, " n"]
    n_start: int = 1
    pad: int = 0
    _lengths: dict[int, tuple[Tensor, tuple[int, ...]]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """`eot` as numbers."""
        return tuple(self.eot.tolist())

    @cached_property
    def first_end(self) -> int:
        """Position of the first end-of-text."""
        return min(self.ends)

    @cached_property
    def shared_prefix(self) -> int:
        """Number of leading positions with the same token in all texts, at most up to the first end-of-text."""
        same = (self.tokens == self.tokens[:1]).all(dim=0).int().cumprod(dim=0)
        return min(int(same.sum()), self.first_end)

    def lengths_after(self, n_prefix: int) -> tuple[Tensor, tuple[int, ...]]:
        """Valid positions of each text after the first `n_prefix`, as a tensor and as numbers."""
        if n_prefix not in self._lengths:
            lengths = self.eot + 1 - n_prefix
            self._lengths[n_prefix] = on_device(lengths, self.embedded.device), tuple(lengths.tolist())
        return self._lengths[n_prefix]

    def split(self, n_prefix: int, prefix: Tensor | None = None) -> TextPrompts:
        """Split after `n_prefix` positions; `prefix` replaces the embeddings before the split."""
        prefix = self.embedded[0, :n_prefix] if prefix is None else prefix
        return self.prompts(prefix, self.embedded[:, n_prefix:])

    def prompts(self, prefix: Tensor, suffix: Tensor) -> TextPrompts:
        """Prompts with the lengths of these texts."""
        return TextPrompts(prefix, suffix, *self.lengths_after(prefix.shape[0]), self.n_start, self.pad)


def frozen_prompts(texts: TokenizedTexts) -> TextPrompts:
    """Prompts of plain texts, with the longest prefix that they share."""
    return texts.split(texts.shared_prefix)


def overwrite_leading(texts: TokenizedTexts, ctx: Float[Tensor, "n_ctx width"]) -> TextPrompts:
    """Prompts with learned ctx after the start token; later words of the texts stay frozen (IVLP, MaPLe, APEX)."""
    end = texts.n_start + ctx.shape[0]
    shared = max(texts.shared_prefix, end)
    shared = min(shared, texts.first_end)
    start, rest = texts.embedded[0, : texts.n_start], texts.embedded[0, end:shared]
    return texts.split(shared, torch.cat([start, ctx, rest]))


def place_ctx(
    texts: TokenizedTexts,
    ctx: Float[Tensor, "n_ctx width"] | Float[Tensor, "n_cls n_ctx width"],
    position: Position,
    name_lengths: Sequence[int] | Int[Tensor, " n_cls"],
) -> TextPrompts:
    """Prompts with learned ctx around the class name, as in CoOp.

    Args:
        texts: the placeholder texts `X X ... X name.` with n_ctx placeholders; their lengths and end tokens are kept.
        ctx: shared `(n_ctx, width)` or class-specific `(n_cls, n_ctx, width)`.
        position: of the class name. `end`: ctx name. · `middle`: half ctx, name, the other half, `.` (the first half
            has n_ctx // 2) · `front`: name ctx .
        name_lengths: tokens of each class name alone; not read for `end`.
    """
    n_cls = texts.tokens.shape[0]
    n_ctx, n_start = ctx.shape[-2], texts.n_start
    start, shared = texts.embedded[0, :n_start], ctx.dim() == 2
    if shared and position == "end":
        return texts.split(n_start + n_ctx, torch.cat([start, ctx]))
    each = ctx.expand(n_cls, -1, -1) if shared else ctx
    before = {"end": n_ctx, "middle": n_ctx // 2, "front": 0}[position]
    if position == "end":
        after_start = torch.cat([each, texts.embedded[:, n_start + n_ctx :]], dim=1)
    else:
        rows = []
        for c in range(n_cls):
            name_start, name_end = n_start + n_ctx, n_start + n_ctx + int(name_lengths[c])
            name, rest = texts.embedded[c, name_start:name_end], texts.embedded[c, name_end:]
            rows.append(torch.cat([each[c, :before], name, each[c, before:], rest]))
        after_start = torch.stack(rows)
    prefix = torch.cat([start, ctx[:before]]) if shared else start
    return texts.prompts(prefix, after_start[:, len(prefix) - n_start :])
