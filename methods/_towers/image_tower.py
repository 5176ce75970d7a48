"""The image towers as functions over open_clip's modules, and their forward passes, whole or in two parts.

There are four classes: open_clip's vision transformer (CLIP, CoCa), timm's EVA (EVA-02, PE-Core), timm's vision
transformer (SigLIP, MobileCLIP-B, ViTamin), and towers without tokens to prompt (ResNet, ConvNeXt, FastViT).

A method that changes only the later blocks of a tower starts from the frozen hidden state before them:
`image_hidden_states` computes it and `continue_image_tower` runs the rest. Together they equal `run_image_tower`.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datasets_registry import BenchError
from methods._towers.blocks import BlockView, blend_tokens, is_standard, run_block, view_block, with_modules

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
        without_prompts = tokens[:, :-n_prompts] if n_prompts and self.trunk.attn_pool is None else tokens
        return self.trunk.fc_norm(self.trunk.pool(self.trunk.norm(without_prompts)))

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


BlockHook = Callable[[int, Tensor], Tensor]
"""`hook(i, tokens)` is called before block i with `(batch, tokens, width)` and returns the block's input."""


def image_views(tower: ImageTower) -> Sequence[BlockView]:
    """The blocks as `BlockView`s, for methods that change some. Raises BenchError for a tower without block views."""
    if not tower.views:
        raise BenchError(
            "The blocks of this image tower cannot be taken apart; choose a CLIP with a plain ViT such as ViT-B-16."
        )
    return tower.views


def outer_norms(tower: ImageTower) -> tuple[nn.Module, nn.Module]:
    """The norms before the first block and after the last; raises BenchError as `image_views` does."""
    image_views(tower)
    return tower.visual.ln_pre, tower.visual.ln_post


def run_image_tower(
    tower: ImageTower,
    pixels: Tensor,
    *,
    prompts: Sequence[Float[Tensor, "n width"]] = (),
    before_block: BlockHook | None = None,
    blocks: Sequence[BlockView] = (),
    norms: tuple[nn.Module, nn.Module] | None = None,
    project: bool = True,
) -> Tensor:
    """Image features, unnormalised.

    Args:
        pixels: `(batch, 3, h, w)`, preprocessed.
        prompts: `prompts[0]` enters before block 0, and `prompts[i]` replaces it before block i. The last prompts pass
            through the remaining blocks.
        before_block: called with `(i, tokens)` before each block, after prompts were placed.
        blocks: run instead of the tower's own blocks; made from `image_views`.
        norms: replace the tower's norms before the first block and after the last.
        project: False returns pooled features before the projection.
    """
    _check(tower, 0, prompts)
    if before_block is not None and not tower.transformer:
        raise BenchError("This image tower has no blocks to hook into; use a vision transformer such as ViT-B-16.")
    if norms is not None:
        image_views(tower)  # raises for a tower without such norms
        tower = ViTTower(with_modules(tower.visual, ln_pre=norms[0], ln_post=norms[1]))
    tokens = tower.embed_patches(pixels, prompts[0] if prompts else None)
    tokens = _run_blocks(tower, tokens, 0, prompts, before_block, blocks)
    pooled = tower.pool(tokens, len(prompts[0]) if prompts else 0)
    return tower.project_to_joint_space(pooled) if project else pooled


def image_hidden_states(tower: ImageTower, pixels: Tensor, first: int) -> Float[Tensor, "batch tokens width"]:
    """Tokens of the frozen tower before block `first`; 0 gives the embedded image."""
    if not tower.transformer or first > tower.depth:
        raise BenchError(
            f"There is no hidden state before block {first} in an image tower of {tower.depth} blocks; "
            f"use 0..{tower.depth}."
        )
    tokens = tower.embed_patches(pixels, None)
    for i in range(first):
        tokens = tower.block(i, tokens)
    return tokens


def image_level_states(
    tower: ImageTower, pixels: Tensor, after: Sequence[int]
) -> Float[Tensor, "levels batch tokens width"]:
    """Tokens of the frozen tower after each of these numbers of blocks, which may repeat."""
    states = [image_hidden_states(tower, pixels, min(after))]
    for i in range(min(after), max(after)):
        states.append(tower.block(i, states[-1]))
    return torch.stack([states[number - min(after)] for number in after])


def continue_image_tower(
    tower: ImageTower,
    hidden: Float[Tensor, "batch tokens width"],
    first: int,
    *,
    prompts: Sequence[Float[Tensor, "n width"]] = (),
    blocks: Sequence[BlockView] = (),
    kept: float = 0.0,
) -> Float[Tensor, "batch all_tokens width"]:
    """Tokens after the last block, from those before block `first`.

    Args:
        prompts: `prompts[0]` joins at the end of the tokens before block `first`, `prompts[j]` replaces them before
            block `first + j`. A norm that precedes block 0 does not apply to them.
        blocks: blocks of the whole tower; those before `first` are skipped.
        kept: share of a prompt's own output that stays when the next prompts replace it.
    """
    _check(tower, first, prompts)
    if prompts:
        hidden = torch.cat([hidden, prompts[0].expand(len(hidden), -1, -1)], dim=1)
    return _run_blocks(tower, hidden, first, prompts, None, blocks, kept)


def _check(tower: ImageTower, first: int, prompts: Sequence[Tensor]) -> None:
    if prompts and tower.transformer and first + len(prompts) > tower.depth:
        raise BenchError(
            f"Visual prompts for {first + len(prompts)} blocks on a tower of {tower.depth}; lower the depth."
        )


def _run_blocks(
    tower: ImageTower,
    tokens: Tensor,
    first: int,
    prompts: Sequence[Tensor],
    before_block: BlockHook | None,
    blocks: Sequence[BlockView],
    kept: float = 0.0,
) -> Tensor:
    """All blocks from `first` on; `prompts[0]` is already at the end of the tokens."""
    for i in range(first, tower.depth):
        if 1 <= i - first < len(prompts):
            n = len(prompts[i - first])
            fresh = blend_tokens(prompts[i - first], tokens[:, -n:], kept)
            tokens = torch.cat([tokens[:, :-n], fresh], dim=1)
        if before_block is not None:
            tokens = before_block(i, tokens)
        tokens = run_block(blocks[i], tokens) if blocks else tower.block(i, tokens)
    return tokens
