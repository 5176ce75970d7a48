"""The plain implementation, which works like the official ones with open_clip's modules and without any shortcut.

`PlainBackbone` computes the same as `Backbone`, but class texts are padded to 77 positions and all of them run, texts
that depend on the image run for each image, and nothing is stored. `make perf` measures methods on it and checks that
both give equal results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from datasets_registry import ClassSet
from methods import Backbone, TextPrompts
from methods._towers import blocks as towers_blocks
from methods._towers.text_hidden_states import TextHidden, text_hidden


def encode_text(model, embedded: Tensor, eot: Tensor, deep: Sequence[Tensor] = ()) -> Tensor:
    """All positions of all classes through every block of open_clip, then the end-of-text position."""
    x = embedded + model.positional_embedding
    for i, block in enumerate(model.transformer.resblocks):
        if 1 <= i <= len(deep):
            ctx = deep[i - 1].expand(len(x), -1, -1)
            x = torch.cat([x[:, :1], ctx, x[:, 1 + ctx.shape[1] :]], dim=1)
        x = block(x, attn_mask=model.attn_mask)
    x = model.ln_final(x)
    return x[torch.arange(len(x)), eot] @ model.text_projection


def encode_image(model, pixels: Tensor, prompts: Sequence[Tensor] = ()) -> Tensor:
    """open_clip's image tower, with prompts replaced before each block."""
    visual = model.visual
    x = visual.conv1(pixels).flatten(2).transpose(1, 2)
    x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], dim=1) + visual.positional_embedding
    n = prompts[0].shape[0] if prompts else 0
    if prompts:
        x = torch.cat([x, prompts[0].expand(len(x), -1, -1)], dim=1)
    x = visual.ln_pre(x)
    for i, block in enumerate(visual.transformer.resblocks):
        if 1 <= i < len(prompts):
            x = torch.cat([x[:, :-n], prompts[i].expand(len(x), -1, -1)], dim=1)
        x = block(x)
    return visual.ln_post(x)[:, 0] @ visual.proj


class PlainBackbone(Backbone):
    """The same model with open_clip's complete forward passes, at every call."""

    def _padded(self, prompts: TextPrompts, prefix: Tensor) -> tuple[Tensor, Tensor]:
        n_cls = len(prompts)
        x = torch.cat([prefix.expand(n_cls, -1, -1), prompts.suffix], dim=1)
        pad = self.model.token_embedding.weight[0].expand(n_cls, 77 - x.shape[1], -1)
        return torch.cat([x, pad], dim=1), prefix.shape[0] + prompts.lengths - 1

    def class_tokens(self, classes: ClassSet, template: str, *, keep_underscores: bool = False) -> Any:
        """Tokenised again in every step."""
        return self.tokenized(classes.texts(template, keep_underscores=keep_underscores))

    def encode_prompts(self, prompts: TextPrompts, *, deep: Sequence[Tensor] = (), **changes: object) -> Tensor:
        _refuse(changes)
        return encode_text(self.model, *self._padded(prompts, prompts.prefix), deep)

    def encode_prompts_each(self, prompts: TextPrompts, prefixes: Tensor) -> Tensor:
        return torch.stack([encode_text(self.model, *self._padded(prompts, prefix)) for prefix in prefixes])

    def encode_image(self, pixels: Tensor, *, prompts: Sequence[Tensor] = (), **changes: object) -> Tensor:
        _refuse(changes)
        return encode_image(self.model, pixels, prompts)

    def image_hidden(self, pixels: Tensor, first: int) -> Tensor:
        visual = self.model.visual
        x = visual.conv1(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], dim=1) + visual.positional_embedding
        x = visual.ln_pre(x)
        with torch.no_grad():
            for block in visual.transformer.resblocks[:first]:
                x = block(x)
        return x

    def continue_image(
        self,
        hidden: Tensor,
        first: int,
        *,
        prompts: Sequence[Tensor] = (),
        blocks: Sequence[towers_blocks.BlockView] = (),
        kept: float = 0.0,
        tower: Any = None,
    ) -> Tensor:
        x = hidden
        visual = tower.visual if tower else self.model.visual
        for i, block in list(enumerate(visual.transformer.resblocks))[first:]:
            if i - first < len(prompts):
                x = with_tokens(x, prompts[i - first], replaces=i > first, kept=kept)
            x = changed_block(blocks[i], x) if blocks else block(x)
        n = prompts[0].shape[0] if prompts else 0
        # ours keeps the prompts at the end
        return torch.cat([x[:, :1], x[:, 1 + n :], x[:, 1 : 1 + n]], dim=1)

    def text_hidden(self, prompts: TextPrompts, first: int) -> TextHidden:
        """Nothing is run here: only the texts and where the changes begin are passed on."""
        return replace(text_hidden(self.text_tower, prompts, 0), first=first)

    def continue_text(
        self,
        hidden: TextHidden,
        *,
        tokens: Sequence[Tensor] = (),
        blocks: Sequence[towers_blocks.BlockView] = (),
        kept: float = 0.0,
        tower: Any = None,
    ) -> Tensor:
        model = tower.modules if tower else self.model
        first, (x, eot) = hidden.first, self._padded(hidden.prompts, hidden.prompts.prefix)
        x = x + model.positional_embedding
        for i, block in enumerate(model.transformer.resblocks):
            if 0 <= i - first < len(tokens):
                x = with_tokens(x, tokens[i - first], replaces=i > first, kept=kept)
            mask = torch.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)
            x = changed_block(blocks[i], x, mask) if blocks else block(x, attn_mask=mask)
        eot = eot + (tokens[0].shape[0] if tokens else 0)
        return model.ln_final(x)[torch.arange(len(x)), eot] @ model.text_projection

    def read_only_text_features(self, prompts: TextPrompts, readers: Tensor) -> Tensor:
        return read_text(self.model, *self._padded(prompts, prompts.prefix), readers)

    def read_only_image_features(self, pixels: Tensor, readers: Tensor) -> Tensor:
        return read_image(self.model, pixels, readers)[0]


def with_tokens(x: Tensor, tokens: Tensor, *, replaces: bool, kept: float) -> Tensor:
    """Tokens after the first position, inserted, or in place of as many of which the share `kept` stays."""
    new, behind = tokens.expand(len(x), -1, -1), 1
    if replaces:
        behind += tokens.shape[0]
        new = (1 - kept) * new + kept * x[:, 1:behind]
    return torch.cat([x[:, :1], new, x[:, behind:]], dim=1)


def read_text(model, embedded: Tensor, eot: Tensor, readers: Tensor) -> Tensor:
    """Texts with read-only tokens after end-of-text in one sequence; a mask hides them from all other tokens."""
    n_cls, n = len(embedded), len(readers)
    x = torch.cat([embedded + model.positional_embedding, readers.expand(n_cls, -1, -1)], dim=1)
    length = x.shape[1]
    hidden = torch.arange(length) > eot[:, None, None]
    hidden = hidden | torch.ones(length, length, dtype=torch.bool).triu(1)
    mask = torch.zeros(hidden.shape).masked_fill_(hidden, float("-inf"))
    for block in model.transformer.resblocks:
        x = block(x, attn_mask=mask.repeat_interleave(block.attn.num_heads, dim=0))
    return model.ln_final(x[:, -n:]) @ model.text_projection


def read_image(model, pixels: Tensor, readers: Tensor) -> tuple[Tensor, Tensor]:
    """Features of the read-only tokens after the patches, and of the class token of the same sequence."""
    visual, n = model.visual, len(readers)
    x = visual.conv1(pixels).flatten(2).transpose(1, 2)
    x = torch.cat([visual.class_embedding.expand(len(x), 1, -1), x], dim=1) + visual.positional_embedding
    x = visual.ln_pre(torch.cat([x, readers.expand(len(x), -1, -1)], dim=1))
    mask = torch.zeros(x.shape[1], x.shape[1])
    mask[:, -n:] = float("-inf")
    for block in visual.transformer.resblocks:
        x = block(x, attn_mask=mask)
    features = visual.ln_post(x) @ visual.proj
    return features[:, -n:], features[:, 0]


def changed_block(view: towers_blocks.BlockView, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """A block in exchanged pieces, every position of it, with attention written out."""
    normed = view.norm_1(x)
    q, k, v = (towers_blocks.split_heads(part, view.heads) for part in view.qkv(normed))
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    attended = (scores if mask is None else scores + mask).softmax(dim=-1) @ v
    middle = x + view.scale_1(view.out(attended.transpose(1, 2).flatten(2)))
    y = middle + view.scale_2(view.mlp(view.norm_2(middle)))
    return y if view.beside is None else y + view.beside(normed)


class ChangedBlocksError(Exception):
    """A method that changes the blocks themselves; open_clip's forward cannot show what it should give."""


def _refuse(changes: dict[str, object]) -> None:
    used = [name for name, value in changes.items() if value not in (None, (), True)]
    if used:
        raise ChangedBlocksError(", ".join(used))


def without_memory(method):
    """APEX as its official code runs it: the distances' two text passes again in every forward."""
    plain_frozen = method.frozen_text

    def frozen_text(classes: ClassSet, template: str) -> Tensor:
        method._frozen.clear()
        return plain_frozen(classes, template)

    method.frozen_text = frozen_text
    return method
