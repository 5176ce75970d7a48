"""The text tower in two parts: plain class texts up to a block, once per class list, and the rest in every step.

A method that changes only the later blocks of the text tower need not run the earlier blocks again: their output
depends only on the class list. Both parts together equal `TextTower.encode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from datasets_registry import BenchError
from methods._base.devices import on_device
from methods._text.prompt_embeddings import TextPrompts
from methods._towers.blocks import BlockView, causal_mask, run_block
from methods._towers.packed_text_suffixes import Packing, pack_suffixes, packed_rows, prefix_states, run_packed
from methods._towers.text_tower import TextTower


@dataclass(frozen=True)
class TextHidden:
    """Hidden states of plain class texts before a block.

    Args:
        first: the block that runs next.
        prefix: `(1, n_prefix, width)`, shared by all classes.
        rows: `(rows, length, width)`, the suffixes.
    """

    prompts: TextPrompts
    first: int
    prefix: Float[Tensor, "1 n_prefix width"]
    rows: Float[Tensor, "rows length width"]
    packing: Packing

    def select(self, kept: Sequence[int]) -> TextHidden:
        """The hidden states of some of the classes, by their positions in the class list."""
        prompts = self.prompts.select(kept)
        packing = pack_suffixes(prompts)
        # a position of the new rows is the `place`-th of the class `chosen`, which `ends` has in the old rows
        chosen, place = packing.source // prompts.suffix.shape[1], packing.source % prompts.suffix.shape[1]
        row, end = self.packing.ends[on_device(torch.tensor(kept), packing.ends.device)].T
        column = end + 1 - prompts.lengths
        return TextHidden(prompts, self.first, self.prefix, self.rows[row[chosen], column[chosen] + place], packing)


def text_hidden(tower: TextTower, prompts: TextPrompts, first: int) -> TextHidden:
    """Run plain class texts through the blocks before `first`, without gradients.

    A tower with an appended class token (CoCa) or without a causal mask is not split: its next block is always block 0.
    """
    tower.check_prompts(prompts)
    first = 0 if tower.whole_texts_because is not None else first
    n_prefix, blocks = prompts.prefix.shape[0], tower.views[:first]
    with torch.no_grad():
        positions = tower.modules.positional_embedding
        packing = pack_suffixes(prompts)
        prefix = (prompts.prefix + positions[:n_prefix])[None]
        rows = packed_rows(prompts.suffix + positions[n_prefix : prompts.longest], packing)
        if blocks:
            rows = run_packed(rows, packing, prefix_states(prefix, blocks, ()), blocks, pooled=False)
        mask = causal_mask(n_prefix, n_prefix, device=prefix.device, dtype=prefix.dtype)
        for block in blocks:
            prefix = run_block(block, prefix, mask)
    return TextHidden(prompts, first, prefix, rows, packing)


def continue_text_tower(
    tower: TextTower,
    hidden: TextHidden,
    *,
    tokens: Sequence[Float[Tensor, "n width"]] = (),
    blocks: Sequence[BlockView] = (),
    kept: float = 0.0,
) -> Float[Tensor, "n_cls dim"]:
    """Text features, unnormalised, from the hidden states.

    Args:
        tokens: by block from `hidden.first` on: `tokens[0]` are inserted after the start token, without positions;
            `tokens[j]` replace them before block `first + j`.
        blocks: blocks of the whole tower, instead of its own; those before `first` are skipped.
        kept: share of a token's own output that stays when the next tokens replace it.
    """
    if tower.whole_texts_because is not None:
        if tokens:
            raise BenchError(
                f"This text tower {tower.whole_texts_because}, so no tokens can be inserted inside it; choose a CLIP."
            )
        return tower.encode(hidden.prompts, blocks=blocks)
    blocks, prefix = (blocks or tower.views)[hidden.first :], hidden.prefix
    if len(tokens) > len(blocks):
        raise BenchError(f"Text tokens for {len(tokens)} blocks, but only {len(blocks)} are left; lower the depth.")
    if tokens:
        prefix = torch.cat([prefix[:, :1], tokens[0][None], prefix[:, 1:]], dim=1)
    states = prefix_states(prefix, blocks, tokens[1:], kept=kept)
    pooled = run_packed(hidden.rows, hidden.packing, states, blocks)[0]
    return tower.project_to_joint_space(tower.modules.ln_final(pooled))
