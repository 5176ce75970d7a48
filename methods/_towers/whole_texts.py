"""The text tower on whole sequences, for blocks that also read later positions.

With the tower's own causal blocks, texts share a prefix and no position after end-of-text matters (`text_encoder.py`).
With a convolution over neighbouring words neither is true, so each text runs separately, padding included.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from datasets_registry import BenchError
from methods._towers.blocks import BlockView, causal_mask, run_block
from methods._towers.text_encoder import TextTower


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
