"""The image towers as functions over open_clip's modules: embed, blocks with prompts and hooks, pool, project.

Three kinds: open_clip's vision transformer (CLIP, CoCa), timm's EVA-02, and the ResNet, which has no tokens to prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from datasets_registry._errors import BenchError
from methods._blocks import BlockView, is_standard, run_block, view_block

BlockHook = Callable[[int, Tensor], Tensor]
"""`hook(i, tokens)` is called before block i with `(batch, tokens, width)` and returns what the block gets."""


@runtime_checkable
class ImageTower(Protocol):
    """What the backbone asks of an image tower."""

    width: int
    depth: int
    transformer: bool
    views: Sequence[BlockView]
    """The blocks as their pieces; empty where they cannot be taken apart."""
    class_token: Tensor | None
    """The class token `(width,)` without its position; None where there is none."""

    def embed(self, pixels: Tensor, prompts: Tensor | None) -> Tensor:
        """Tokens in front of block 0, `prompts` `(n, width)` appended behind the patches, without positions."""
        ...

    def block(self, i: int, tokens: Tensor) -> Tensor:
        """Block i."""
        ...

    def pool(self, tokens: Tensor, n_prompts: int) -> Tensor:
        """Pooled features before the projection."""
        ...

    def project(self, pooled: Tensor) -> Tensor:
        """Projection to the joint space."""
        ...


class ViTTower:
    """open_clip's `VisionTransformer`.

    Prompts join after the positional embedding and before the norm that precedes block 0 (a norm per token, so it is
    applied to them on their own). Mean pooling leaves prompts out; an attentional pooler (CoCa) sees them.
    """

    transformer = True

    def __init__(self, visual: Any) -> None:
        self.visual = visual
        self.blocks = list(visual.transformer.resblocks)
        self.depth = len(self.blocks)
        self.class_token: Tensor | None = visual.class_embedding
        self.width: int = visual.class_embedding.shape[0]
        standard = all(is_standard(block) for block in self.blocks)
        self.views: Sequence[BlockView] = [view_block(block) for block in self.blocks] if standard else []

    def embed(self, pixels: Tensor, prompts: Tensor | None) -> Tensor:
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
            # the class token alone is read: norm that one
            return self.visual.ln_post(tokens[:, 0])
        pooled, _ = self.visual._pool(tokens)
        return pooled

    def project(self, pooled: Tensor) -> Tensor:
        return pooled if self.visual.proj is None else pooled @ self.visual.proj


class EvaTower:
    """timm's EVA-02 with rotary positions, as open_clip wraps it.

    Prompts have no place on the image grid, so their rotary embedding is the identity rotation (sine 0, cosine 1).
    """

    transformer = True

    def __init__(self, visual: Any) -> None:
        self.trunk, self.head = visual.trunk, visual.head
        self.blocks = list(self.trunk.blocks)
        self.depth = len(self.blocks)
        self.class_token: Tensor | None = None if self.trunk.cls_token is None else self.trunk.cls_token[0, 0]
        self.width: int = self.trunk.embed_dim
        self.views: Sequence[BlockView] = []
        if getattr(self.trunk, "rope_mixed", False) or self.trunk.dynamic_img_size:
            raise BenchError("This EVA variant has per-block or resizable rotary positions, which are not supported.")
        self._rope: Tensor | None = None

    def embed(self, pixels: Tensor, prompts: Tensor | None) -> Tensor:
        tokens, rope = self.trunk._pos_embed(self.trunk.patch_embed(pixels))
        if prompts is not None:
            tokens = torch.cat([tokens, prompts.expand(len(tokens), -1, -1)], dim=1)
            if rope is not None:
                sine, cosine = (
                    rope.new_zeros(len(prompts), rope.shape[1] // 2),
                    rope.new_ones(len(prompts), rope.shape[1] // 2),
                )
                rope = torch.cat([rope, torch.cat([sine, cosine], dim=1)])
        self._rope = rope
        return self.trunk.norm_pre(tokens)

    def block(self, i: int, tokens: Tensor) -> Tensor:
        return self.blocks[i](tokens, rope=self._rope)

    def pool(self, tokens: Tensor, n_prompts: int) -> Tensor:
        tokens = self.trunk.norm(tokens[:, :-n_prompts] if n_prompts else tokens)
        return self.trunk.fc_norm(self.trunk.pool(tokens))

    def project(self, pooled: Tensor) -> Tensor:
        return self.head(self.trunk.head(pooled))


class WholeTower:
    """A tower that is only ever run whole (ResNet): no tokens, so no prompts and no hooks."""

    transformer = False
    depth = 0
    width = 0
    class_token: Tensor | None = None

    def __init__(self, visual: Any) -> None:
        self.visual = visual
        self.views: Sequence[BlockView] = []

    def embed(self, pixels: Tensor, prompts: Tensor | None) -> Tensor:
        if prompts is not None:
            raise BenchError(
                "This image tower has no tokens; visual prompts need a vision transformer such as ViT-B-16."
            )
        return pixels

    def block(self, i: int, tokens: Tensor) -> Tensor:  # noqa: ARG002
        raise IndexError(i)

    def pool(self, tokens: Tensor, n_prompts: int) -> Tensor:  # noqa: ARG002
        return tokens

    def project(self, pooled: Tensor) -> Tensor:
        return self.visual(pooled)


def wrap_image_tower(visual: Any) -> ImageTower:
    """The functional view that fits an open_clip image tower."""
    if hasattr(visual, "transformer") and hasattr(visual, "class_embedding"):
        return ViTTower(visual)
    if hasattr(visual, "trunk") and type(visual.trunk).__name__ == "Eva":
        return EvaTower(visual)
    return WholeTower(visual)


def image_views(tower: ImageTower) -> Sequence[BlockView]:
    """The blocks as their pieces, for methods that change some. Raises BenchError where they cannot be taken apart."""
    if not tower.views:
        raise BenchError(
            "The blocks of this image tower cannot be taken apart; choose a CLIP with a plain ViT such as ViT-B-16."
        )
    return tower.views


def run_image_tower(
    tower: ImageTower,
    pixels: Tensor,
    *,
    prompts: Sequence[Float[Tensor, "n width"]] = (),
    before_block: BlockHook | None = None,
    blocks: Sequence[BlockView] = (),
    project: bool = True,
) -> Tensor:
    """Image features, unnormalised.

    Args:
        tower: the frozen tower.
        pixels: `(batch, 3, h, w)`, preprocessed.
        prompts: prompts by block: `prompts[0]` enters before block 0, `prompts[i]` replaces them before block i; behind
            the last given one they flow on.
        before_block: called with `(i, tokens)` before each block, after prompts were placed.
        blocks: run instead of the tower's own blocks; made from `image_views`.
        project: False returns pooled features before the projection.
    """
    if prompts and tower.transformer and len(prompts) > tower.depth:
        raise BenchError(f"Visual prompts for {len(prompts)} blocks on a tower of {tower.depth}; lower the depth.")
    if before_block is not None and not tower.transformer:
        raise BenchError("This image tower has no blocks to hook into; use a vision transformer such as ViT-B-16.")
    n = len(prompts[0]) if prompts else 0
    tokens = tower.embed(pixels, prompts[0] if prompts else None)
    for i in range(tower.depth):
        if 1 <= i < len(prompts):
            tokens = torch.cat([tokens[:, :-n], prompts[i].expand(len(tokens), -1, -1)], dim=1)
        if before_block is not None:
            tokens = before_block(i, tokens)
        tokens = run_block(blocks[i], tokens) if blocks else tower.block(i, tokens)
    pooled = tower.pool(tokens, n)
    return tower.project(pooled) if project else pooled
