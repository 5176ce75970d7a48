"""Forward passes of the image towers, whole or in two parts, with prompts, hooks and replaced blocks.

A method that changes only the later blocks of a tower starts from the frozen hidden state before them:
`image_hidden_states` computes it and `continue_image_tower` runs the rest. Together they equal `run_image_tower`.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datasets_registry import BenchError
from methods._towers.blocks import BlockView, blend_tokens, run_block, with_modules
from methods._towers.image_encoder_architectures import ImageTower, ViTTower

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


def with_outer_norms(tower: ImageTower, norms: tuple[nn.Module, nn.Module]) -> ImageTower:
    """The tower with other outer norms; raises BenchError as `image_views` does."""
    image_views(tower)
    return ViTTower(with_modules(tower.visual, ln_pre=norms[0], ln_post=norms[1]))


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
        tower = with_outer_norms(tower, norms)
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
