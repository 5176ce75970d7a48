"""A transformer block of open_clip as separate functions: norms, query-key-value projection, output projection and MLP.

open_clip's own block runs whole sequences. `text_tower.py` needs the parts, to compute the keys and values of the
shared prefix once for all classes. Methods that change a tower replace parts of a view, for example by trained copies
of norms and biases, and leave the frozen modules unchanged.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def is_standard(block: Any) -> bool:
    """Whether the block is open_clip's pre-norm residual block with a fused `nn.MultiheadAttention`."""
    attention = getattr(block, "attn", None)
    return (
        isinstance(attention, nn.MultiheadAttention)
        and attention.in_proj_weight is not None
        and attention.bias_k is None
        and not hasattr(block, "ln_1_kv")
    )


def split_heads(x: Tensor, heads: int) -> Tensor:
    """`(n, tokens, width)` to `(n, heads, tokens, width / heads)`."""
    return x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads).transpose(-3, -2)


def join_heads(x: Tensor) -> Tensor:
    """The inverse of `split_heads`."""
    return x.transpose(-3, -2).flatten(-2)


TensorMap = Callable[[Tensor], Tensor]


def with_modules(module: Any, **replaced: nn.Module | nn.Parameter) -> Any:
    """A copy of a module with some direct submodules or parameters replaced; it shares the rest with the original."""
    changed = copy.copy(module)
    changed._modules, changed._parameters = {**module._modules}, {**module._parameters}
    for name, part in replaced.items():
        setattr(changed, name, part)
    return changed


@dataclass(frozen=True)
class BlockView:
    """The parts of a pre-norm transformer block; `dataclasses.replace` replaces some of them.

    Args:
        qkv: normed input to queries, keys and values, each `(..., tokens, width)`, heads not yet split.
        out: output projection of attention.
        scale_1: layer scale after attention.
        scale_2: layer scale after the MLP.
        beside: maps the normed input of the whole block; its output is added together with the MLP's (MMA).
    """

    heads: int
    norm_1: TensorMap
    qkv: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
    out: TensorMap
    scale_1: TensorMap
    norm_2: TensorMap
    mlp: TensorMap
    scale_2: TensorMap
    beside: TensorMap | None = None


def view_block(block: Any) -> BlockView:
    """The parts of a standard open_clip block."""
    attention = block.attn

    def qkv(normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = F.linear(normed, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
        return q, k, v

    return BlockView(
        attention.num_heads, block.ln_1, qkv, attention.out_proj, block.ls_1, block.ln_2, block.mlp, block.ls_2
    )


def finish_block(view: BlockView, x: Tensor, attended: Tensor) -> Tensor:
    """The residual stream after the block with input `x` and the attention output `attended`."""
    middle = x + view.scale_1(view.out(attended))
    y = middle + view.scale_2(view.mlp(view.norm_2(middle)))
    return y if view.beside is None else y + view.beside(view.norm_1(x))


def run_block(view: BlockView, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """A whole block on `(n, tokens, width)`; `mask` is additive, `(tokens, tokens)` or broadcastable to heads."""
    q, k, v = (split_heads(part, view.heads) for part in view.qkv(view.norm_1(x)))
    return finish_block(view, x, join_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=mask)))


def blend_tokens(new: Tensor, old: Tensor, kept: float) -> Tensor:
    """Learned tokens `(n, width)` in each row, instead of `old` `(rows, n, width)` or blended with them.

    `kept` is the share of `old`; with 0 the old tokens are dropped.
    """
    new = new.expand(len(old), -1, -1)
    return (1 - kept) * new + kept * old if kept else new


def causal_mask(rows: int, columns: int, *, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Additive mask `(rows, columns)`: the last `rows` of `columns` positions attend to themselves and earlier ones."""
    mask = torch.zeros(rows, columns, device=device, dtype=dtype)
    return mask.masked_fill_(torch.ones_like(mask, dtype=torch.bool).triu(columns - rows + 1), float("-inf"))


class TunedNorms(nn.Module):
    """Copies of both norms of every block of a tower, and of its outer norms if they are given."""

    def __init__(self, blocks: Sequence[BlockView], outer: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.attention = _trained_copies(view.norm_1 for view in blocks)
        self.mlp = _trained_copies(view.norm_2 for view in blocks)
        self.outer = _trained_copies(outer)

    def views(self, blocks: Sequence[BlockView]) -> list[BlockView]:
        """The tower's blocks with these norms."""
        norms = zip(blocks, self.attention, self.mlp, strict=True)
        return [replace(view, norm_1=attention, norm_2=mlp) for view, attention, mlp in norms]


def _trained_copies(frozen: Iterable[Any]) -> nn.ModuleList:
    return nn.ModuleList([copy.deepcopy(norm) for norm in frozen]).requires_grad_(True)


class TowerEnd(nn.Module):
    """Trained copies of the last blocks of one of open_clip's own towers, its last norm and its projection."""

    def __init__(self, blocks: Iterable[Any], norm: nn.Module, projection: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.blocks = _trained_copies(blocks)
        self.norm = copy.deepcopy(norm).requires_grad_(True)
        self.projection = copy.deepcopy(projection)
        self.projection.requires_grad_(True)

    def transformer(self, frozen: Any) -> Any:
        """The tower's transformer with these blocks in the place of its last ones."""
        first = len(frozen.resblocks) - len(self.blocks)
        return with_modules(frozen, resblocks=nn.ModuleList([*frozen.resblocks[:first], *self.blocks]))


class TunedBiases(nn.Module):
    """Copies of the bias of the second layer of every block's MLP."""

    def __init__(self, blocks: Sequence[BlockView]) -> None:
        super().__init__()
        mlps: list[Any] = [view.mlp for view in blocks]
        self.biases = nn.ParameterList([mlp[-1].bias.detach().clone() for mlp in mlps])

    def views(self, blocks: Sequence[BlockView]) -> list[BlockView]:
        """The tower's blocks with these biases."""
        return [replace(view, mlp=_with_bias(view.mlp, bias)) for view, bias in zip(blocks, self.biases, strict=True)]


def _with_bias(mlp: Any, bias: Float[Tensor, " width"]) -> TensorMap:
    """An MLP with another bias in its last layer."""
    hidden, weight = mlp[:-1], mlp[-1].weight
    return lambda x: F.linear(hidden(x), weight, bias)
