"""Read-only tokens: they attend to a frozen tower's own tokens and nothing attends to them.

The tower's own tokens are therefore unchanged and run without gradients; read-only tokens only need each block's keys
and values. The official code runs one sequence under an attention mask. This gives the same result, but includes the
frozen tokens in the backward pass.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from datasets_registry import BenchError
from methods._text.prompt_embeddings import TextPrompts
from methods._towers.blocks import BlockView, causal_mask, finish_block, join_heads, split_heads
from methods._towers.image_tower import ImageTower, image_views
from methods._towers.packed_text_suffixes import prefix_states
from methods._towers.text_tower import TextTower, recomputed_in_backward

AT_ONCE = 4096
"""Read-only text tokens whose activations are held at once. More of them run in chunks, recomputed in backward. This
bounds memory (1.6 GB on ViT-B/16); results change by rounding at most."""


def encode_read_only_image(
    tower: ImageTower, pixels: Float[Tensor, "batch 3 h w"], readers: Float[Tensor, "n width"]
) -> Float[Tensor, "batch n dim"]:
    """Features of each image at the read-only tokens, unnormalised.

    The tokens pass the norm before block 0, as visual prompts do. Each is pooled and projected like the class token.
    Raises BenchError for a tower whose blocks cannot be taken apart.
    """
    n, views = len(readers), image_views(tower)
    joined = tower.embed_patches(pixels, readers)
    # the tower's own tokens do not depend on the readers, but after a concatenation autograd would assume it
    tokens, x = joined[:, :-n].detach(), joined[:, -n:]
    for i, view in enumerate(views):
        q, k, v = (split_heads(part, view.heads) for part in view.qkv(view.norm_1(tokens)))
        x = _read(view, x, k, v)
        if i + 1 < len(views):
            tokens = finish_block(view, tokens, join_heads(F.scaled_dot_product_attention(q, k, v)))
    features = tower.project_to_joint_space(tower.pool(x.flatten(0, 1)[:, None], 0))
    return features.reshape(len(pixels), n, -1)


def encode_read_only_text(
    tower: TextTower, prompts: TextPrompts, readers: Float[Tensor, "n width"], *, at_once: int = AT_ONCE
) -> Float[Tensor, "n_cls n dim"]:
    """Features of each text at the read-only tokens, unnormalised.

    The tokens have no positions and attend to the whole text of their class up to end-of-text, but not to one another.
    `at_once` of them run at a time. Raises BenchError for a tower that ends with a class token or has no causal mask,
    or a text that is too long.
    """
    if tower.whole_texts_because is not None:
        raise BenchError(
            f"This text tower {tower.whole_texts_because}, so read-only tokens cannot follow the text; choose a CLIP."
        )
    tower.check_token_count(prompts)
    positions = tower.modules.positional_embedding[: prompts.prefix.shape[0]]
    states = prefix_states((prompts.prefix + positions)[None], tower.views, ())
    size = max(1, at_once // len(readers))
    if len(prompts) <= size:
        return _read_only_text_chunk(tower, prompts, states, readers)
    chunks = prompts.chunks(size)
    return torch.cat([recomputed_in_backward(_read_only_text_chunk, tower, chunk, states, readers) for chunk in chunks])


def _read_only_text_chunk(
    tower: TextTower, prompts: TextPrompts, states: Sequence[tuple[Tensor, Tensor]], readers: Tensor
) -> Tensor:
    """`encode_read_only_text`, given the keys and values of the shared prefix before each block."""
    n_cls, n_prefix, n_suffix = len(prompts), prompts.prefix.shape[0], prompts.suffix.shape[1]
    suffix = prompts.suffix + tower.modules.positional_embedding[n_prefix : prompts.longest]
    x = readers.expand(n_cls, -1, -1)
    causal = causal_mask(n_suffix, prompts.longest, device=suffix.device, dtype=suffix.dtype)
    place = torch.arange(prompts.longest, device=suffix.device) - n_prefix
    text = (place < prompts.lengths[:, None])[:, None, None]
    for i, (view, (prefix_k, prefix_v)) in enumerate(zip(tower.views, states, strict=True)):
        q, own_k, own_v = view.qkv(view.norm_1(suffix))
        k = torch.cat([prefix_k.expand(n_cls, -1, -1), own_k], dim=1)
        v = torch.cat([prefix_v.expand(n_cls, -1, -1), own_v], dim=1)
        q, k, v = (split_heads(part, view.heads) for part in (q, k, v))
        x = _read(view, x, k, v, text)
        if i + 1 < len(states):
            suffix = finish_block(view, suffix, join_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=causal)))
    return tower.project_to_joint_space(tower.modules.ln_final(x))


def _read(view: BlockView, readers: Tensor, k: Tensor, v: Tensor, sees: Tensor | None = None) -> Tensor:
    """One block for tokens that attend only to these keys and values; `sees` masks them, None allows all."""
    q, _, _ = view.qkv(view.norm_1(readers))
    attended = F.scaled_dot_product_attention(split_heads(q, view.heads), k, v, attn_mask=sees)
    return finish_block(view, readers, join_heads(attended))
