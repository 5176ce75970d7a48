"""The frozen weights of a backbone: its two towers in fp32, and with weights in half precision.

Autocast would cast fp32 weights in every forward pass, so a half-precision copy is made once. Only weights that are
cast in the forward pass are rounded: those of linear layers, convolutions, attention and projections, and the class
token and positions that are combined with the convolution's patches. Norms and other embeddings stay in fp32. Results
are bit-identical to those of fp32 weights under autocast.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

import torch
from torch import nn

from methods._backbones.backbone_spec import Precision
from methods._towers.blocks import is_standard
from methods._towers.image_tower import ImageTower, wrap_image_tower
from methods._towers.text_tower import TextTower
from methods._towers.whole_texts import wrap_text_tower

_PROJECTIONS = ("proj", "text_projection")
"""Parameters of towers that are factors of matrix products."""
_BESIDE_PATCHES = ("class_embedding", "positional_embedding")
"""Parameters of a vision transformer that open_clip casts to the type of its patches."""
_UNUSED = "text_decoder"
"""CoCa's captioner, which nothing here runs."""


class FrozenModel:
    """An open_clip module whose weights no method changes, as two towers.

    Args:
        model: the open_clip module.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._rounded: dict[torch.dtype, FrozenModel] = {}

    @property
    def text_modules(self) -> Any:
        """The module that owns the text tower's parts."""
        return getattr(self.model, "text", self.model)

    @cached_property
    def image_tower(self) -> ImageTower:
        """The image tower."""
        return wrap_image_tower(self.model.visual)

    @cached_property
    def text_tower(self) -> TextTower | None:
        """The text tower that runs on prompts; None for one that runs only as a whole."""
        return wrap_text_tower(self.text_modules)

    def in_precision(self, precision: Precision) -> FrozenModel:
        """This model with the weights of matrix products in a precision; each is made once."""
        dtype = precision.dtype
        if dtype is None:
            return self
        if dtype not in self._rounded:
            self._rounded[dtype] = FrozenModel(with_half_weights(self.model, dtype))
        return self._rounded[dtype]

    @property
    def embed_dim(self) -> int:
        """Width of the joint space."""
        modules = self.text_modules
        if not hasattr(modules, "positional_embedding"):  # a model of Hugging Face
            return int(modules.output_dim)
        projection = modules.text_projection
        if isinstance(projection, nn.Linear):
            return projection.out_features
        return int((modules.positional_embedding if projection is None else projection).shape[1])


def with_half_weights(module: Any, dtype: torch.dtype) -> Any:
    """A copy of a frozen module with rounded weights; it shares everything else with the original."""
    if isinstance(module, nn.MultiheadAttention):
        return module  # its own forward pass chooses between kernels by the type of its weights
    changed = copy.copy(module)
    if isinstance(module, nn.Linear | nn.Conv2d):
        names = set(module._parameters)
    else:
        rounded = _PROJECTIONS + (_BESIDE_PATCHES if "conv1" in module._modules else ())
        names = {name for name in rounded if name in module._parameters}
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
