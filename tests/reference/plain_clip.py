"""CLIP's two towers as plain loops over the raw modules of an open_clip model: full sequences, nothing cached.

Written from the papers. It imports neither `bench` nor `methods`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from open_clip import tokenize
from torch import Tensor


class PlainCLIP:
    """A model `clip` (open_clip's `CLIP` with transformer towers) with learned tokens where a method wants them."""

    def __init__(self, clip: Any) -> None:
        self.clip = clip
        self.scale = float(clip.logit_scale.exp())
        self.image_size = int(clip.visual.image_size[0])
        self.image_width = int(clip.visual.class_embedding.shape[0])
        self.image_blocks = list(clip.visual.transformer.resblocks)
        self.text_blocks = list(clip.transformer.resblocks)
        self.text_width = int(clip.token_embedding.weight.shape[1])
        self.dim = int(clip.text_projection.shape[1])

    def image(self, pixels: Tensor, prompts: Sequence[Tensor] = ()) -> Tensor:
        """Image features `(batch, dim)`, unnormalised.

        `prompts[0]` `(n, width)` follows the patches and gets no position; `prompts[i]` replaces it before block i.
        """
        visual, batch = self.clip.visual, len(pixels)
        patches = visual.conv1(pixels).flatten(2).transpose(1, 2)
        cls = visual.class_embedding.expand(batch, 1, -1)
        x = torch.cat([cls, patches], dim=1) + visual.positional_embedding
        if prompts:
            x = torch.cat([x, prompts[0].expand(batch, -1, -1)], dim=1)
        x = visual.ln_pre(x)
        for i, block in enumerate(self.image_blocks):
            if 0 < i < len(prompts):
                x = torch.cat([x[:, : -len(prompts[i])], prompts[i].expand(batch, -1, -1)], dim=1)
            x = run_block(block, x, causal=False)
        return visual.ln_post(x[:, 0]) @ visual.proj

    def text(self, embedded: Tensor, ends: Tensor) -> Tensor:
        """Text features `(n_cls, dim)`, unnormalised, of token embeddings `(n_cls, 77, width)`, read at `ends`."""
        x = embedded + self.clip.positional_embedding
        for block in self.text_blocks:
            x = run_block(block, x, causal=True)
        return self.clip.ln_final(x)[torch.arange(len(x)), ends] @ self.clip.text_projection

    def embed(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token embeddings of texts, and the position of each end token, which has the largest number."""
        tokens = tokenize(list(texts))
        return self.clip.token_embedding(tokens).detach(), tokens.argmax(dim=1)

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Features of plain texts."""
        return self.text(*self.embed(texts))


def run_block(block: Any, x: Tensor, *, causal: bool) -> Tensor:
    """One residual attention block."""
    x = x + attention(block.attn, block.ln_1(x), causal=causal)
    return x + block.mlp(block.ln_2(x))


def attention(module: Any, x: Tensor, *, causal: bool) -> Tensor:
    """Multi-head self-attention from its definition."""
    batch, length, width = x.shape
    heads = module.num_heads
    joint = F.linear(x, module.in_proj_weight, module.in_proj_bias)
    query, key, value = (part.view(batch, length, heads, -1).transpose(1, 2) for part in joint.chunk(3, dim=-1))
    weight = query @ key.transpose(-1, -2) / (width // heads) ** 0.5
    if causal:
        weight = weight.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), float("-inf"))
    mixed = (weight.softmax(dim=-1) @ value).transpose(1, 2).reshape(batch, length, width)
    return module.out_proj(mixed)


def cosine_logits(scale: float, image: Tensor, text: Tensor) -> Tensor:
    """`scale` times the cosine of each image with each class."""
    return scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
