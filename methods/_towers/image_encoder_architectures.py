"""The image towers as functions over open_clip's modules: embed, one block, pool, project.

There are four classes: open_clip's vision transformer (CLIP, CoCa), timm's EVA (EVA-02, PE-Core), timm's vision
transformer (SigLIP, MobileCLIP-B, ViTamin), and towers without tokens to prompt (ResNet, ConvNeXt, FastViT).
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from datasets_registry import BenchError
from methods._towers.blocks import BlockView, is_standard, run_block, view_block

POOLED_BY_ATTENTION = "This image tower pools by attention, so its prompts cannot be read; choose a CLIP."


class ImageTower:
    """An image tower. This base class runs only as a whole (ResNet, ConvNeXt) and supports no prompts or hooks."""

    transformer = False
    depth = 0
    width = 0
    views: Sequence[BlockView] = ()
    """Views of the blocks; empty if the blocks have another structure."""
    class_token: Tensor | None = None
    """The class token `(width,)` without its position, if there is one."""

    def __init__(self, visual: Any) -> None:
        self.visual = visual

    def embed_patches(self, pixels: Tensor, prompts: Tensor | None) -> Tensor:
        """Tokens before block 0, with `prompts` `(n, width)` after the patches, without positions."""
        if prompts is not None:
            raise BenchError(
                "This image tower has no tokens; visual prompts need a vision transformer such as ViT-B-16."
            )
        return pixels

    def block(self, i: int, tokens: Tensor) -> Tensor:  # noqa: ARG002
        """Block i."""
        raise IndexError(i)

    def pool(self, tokens: Tensor, n_prompts: int) -> Tensor:  # noqa: ARG002
        """Pooled features before the projection."""
        return tokens

    def project_to_joint_space(self, pooled: Tensor) -> Tensor:
        """Projection to the joint space."""
        return self.visual(pooled)

    def prompt_states(self, tokens: Tensor, n_prompts: int) -> Tensor:
        """States of the prompts after the last block, `(batch, n_prompts, width)`, normed like the pooled state."""
        raise NotImplementedError("a tower without tokens has no prompts")


class ViTTower(ImageTower):
    """open_clip's `VisionTransformer`.

    Prompts enter after the positional embedding and before the norm that precedes block 0 (a norm per token, so it is
    applied to them separately). Mean pooling excludes prompts; an attentional pooler (CoCa) includes them.
    """

    transformer = True

    def __init__(self, visual: Any) -> None:
        super().__init__(visual)
        self.blocks = list(visual.transformer.resblocks)
        self.depth = len(self.blocks)
        self.class_token = visual.class_embedding
        self.width = visual.class_embedding.shape[0]
        if all(is_standard(block) for block in self.blocks):
            self.views = [view_block(block) for block in self.blocks]

    def embed_patches(self, pixels: Tensor, prompts: Tensor | None) -> Tensor:
        tokens = self.visual._embeds(pixels)
        if prompts is None:
            return tokens
        return torch.cat([tokens, self.visual.ln_pre(prompts).expand(len(tokens), -1, -1)], dim=1)

    def block(self, i: int, tokens: Tensor) -> Tensor:
        return run_block(self.views[i], tokens) if self.views else self.blocks[i](tokens)

    def pool(self, tokens: Tensor, n_prompts: int) -> Tensor:
        if n_prompts and self.visual.attn_pool is None:
            tokens = tokens[:, :-n_prompts]
        if self.visual.attn_pool is None and self.visual.pool_type == "tok":
            # only the class token is needed, so only it is normed
            return self.visual.ln_post(tokens[:, 0])
        pooled, _ = self.visual._pool(tokens)
        return pooled

    def project_to_joint_space(self, pooled: Tensor) -> Tensor:
        return pooled if self.visual.proj is None else pooled @ self.visual.proj

    def prompt_states(self, tokens: Tensor, n_prompts: int) -> Tensor:
        if self.visual.attn_pool is not None:
            raise BenchError(POOLED_BY_ATTENTION)
        return self.visual.ln_post(tokens[:, -n_prompts:])


class TimmTower(ImageTower):
    """timm's `VisionTransformer`, as open_clip wraps it (SigLIP, MobileCLIP-B, ViTamin).

    Prompts enter after the positional embedding and before the norm that precedes block 0. Mean pooling excludes
    prompts; an attentional pooler (SigLIP) includes them, as CoCa's does.
    """

    transformer = True

    def __init__(self, visual: Any) -> None:
        super().__init__(visual)
        self.trunk = visual.trunk
        self.blocks = list(self.trunk.blocks)
        self.depth = len(self.blocks)
        self.class_token = None if self.trunk.cls_token is None else self.trunk.cls_token[0, 0]
        self.width = self.trunk.embed_dim

    def _embed_image(self, pixels: Tensor) -> Tensor:
        """Patches and class token with their positions."""
        tokens: Tensor = self.trunk._pos_embed(self.trunk.patch_embed(pixels))
        return tokens

    def embed_patches(self, pixels: Tensor, prompts: Tensor | None) -> Tensor:
        tokens = self._embed_image(pixels)
        if prompts is not None:
            tokens = torch.cat([tokens, prompts.expand(len(tokens), -1, -1)], dim=1)
        return self.trunk.norm_pre(tokens)

    def block(self, i: int, tokens: Tensor) -> Tensor:
        return self.blocks[i](tokens)

    def pool(self, tokens: Tensor, n_prompts: int) -> Tensor:
        kept = tokens[:, :-n_prompts] if n_prompts and self.trunk.attn_pool is None else tokens
        return self.trunk.fc_norm(self.trunk.pool(self.trunk.norm(kept)))

    def project_to_joint_space(self, pooled: Tensor) -> Tensor:
        return self.visual.head(self.trunk.head(pooled))

    def prompt_states(self, tokens: Tensor, n_prompts: int) -> Tensor:
        if self.trunk.attn_pool is not None:
            raise BenchError(POOLED_BY_ATTENTION)
        return self.trunk.fc_norm(self.trunk.norm(tokens[:, -n_prompts:]))


class EvaTower(TimmTower):
    """timm's EVA with rotary positions, as open_clip wraps it (EVA-01, EVA-02, PE-Core).

    Prompts have no position on the image grid, so their rotary embedding is the identity rotation (sine 0, cosine 1).
    """

    def __init__(self, visual: Any) -> None:
        super().__init__(visual)
        if getattr(self.trunk, "rope_mixed", False) or self.trunk.dynamic_img_size:
            raise BenchError("This EVA variant has per-block or resizable rotary positions, which are not supported.")

    @cached_property
    def _grid_rope(self) -> Tensor | None:
        """Rotary positions of the patches, the same for every image."""
        weight = self.trunk.patch_embed.proj.weight
        empty = weight.new_zeros(1, weight.shape[1], *self.trunk.patch_embed.img_size)
        with torch.no_grad():
            rope: Tensor | None = self.trunk._pos_embed(self.trunk.patch_embed(empty))[1]
        return rope

    def _rope(self, n_tokens: int) -> Tensor | None:
        """Rotary positions of that many tokens; tokens after the grid are not rotated."""
        rope = self._grid_rope
        if rope is None:
            return None
        extra, half = n_tokens - self.trunk.num_prefix_tokens - len(rope), rope.shape[1] // 2
        return torch.cat([rope, torch.cat([rope.new_zeros(extra, half), rope.new_ones(extra, half)], dim=1)])

    def _embed_image(self, pixels: Tensor) -> Tensor:
        tokens: Tensor = self.trunk._pos_embed(self.trunk.patch_embed(pixels))[0]
        return tokens

    def block(self, i: int, tokens: Tensor) -> Tensor:
        return self.blocks[i](tokens, rope=self._rope(tokens.shape[1]))


TIMM_TOWERS = {"Eva": EvaTower, "VisionTransformer": TimmTower}
"""Wrappers by the name of timm's class; all other models of timm run as a whole."""


def wrap_image_tower(visual: Any) -> ImageTower:
    """The functional view of an open_clip image tower."""
    if hasattr(visual, "transformer") and hasattr(visual, "class_embedding"):
        return ViTTower(visual)
    kind = TIMM_TOWERS.get(type(getattr(visual, "trunk", None)).__name__, ImageTower)
    return kind(visual)
