"""A tower with frozen weights in half precision, so that autocast need not cast them in every forward pass.

Only weights that are cast in the forward pass are rounded: those of linear layers, convolutions, attention and
projections, and the class token and positions that are combined with the convolution's patches. Norms and other
embeddings stay in fp32. Results are bit-identical to those of fp32 weights under autocast.
"""

import copy
from typing import Any

import torch
from torch import nn

from methods._towers.blocks import is_standard

_PROJECTIONS = ("proj", "text_projection")
"""Parameters of towers that are factors of matrix products."""
_BESIDE_PATCHES = ("class_embedding", "positional_embedding")
"""Parameters of a vision transformer that open_clip casts to the type of its patches."""
_UNUSED = "text_decoder"
"""CoCa's captioner, which nothing here runs."""


def with_half_weights(module: Any, dtype: torch.dtype) -> Any:
    """A copy of a frozen module with rounded weights; it shares everything else with the original."""
    if isinstance(module, nn.MultiheadAttention):
        return module  # its own forward pass chooses between kernels by the type of its weights
    changed = copy.copy(module)
    if isinstance(module, nn.Linear | nn.Conv2d):
        names = set(module._parameters)
    else:
        wanted = _PROJECTIONS + (_BESIDE_PATCHES if "conv1" in module._modules else ())
        names = {name for name in wanted if name in module._parameters}
    _round(changed, names, dtype)
    changed._modules = {
        name: child if child is None or name == _UNUSED else with_half_weights(child, dtype)
        for name, child in module._modules.items()
    }
    if is_standard(module):  # its parts are called as functions, see `view_block`
        attention = copy.copy(module.attn)
        _round(attention, {"in_proj_weight", "in_proj_bias"}, dtype)
        attention._modules = {name: with_half_weights(child, dtype) for name, child in module.attn._modules.items()}
        changed._modules["attn"] = attention
    return changed


def _round(module: Any, names: set[str], dtype: torch.dtype) -> None:
    """Replace these parameters of a copied module with rounded copies without gradients."""
    module._parameters = {
        name: nn.Parameter(value.detach().to(dtype), requires_grad=False)
        if name in names and value is not None and value.dtype is torch.float32
        else value
        for name, value in module._parameters.items()
    }
