"""Tokens of a space that both towers share, mapped to each tower's width by one layer per block (MMRL)."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from methods._backbones.backbone import Backbone
from methods._parts.parameter_initialisation import linear_layer, normal_parameter


class Representation(nn.Module):
    """The shared tokens, their maps to both towers, and the projection of the image's tokens.

    Args:
        n_tokens: tokens per block.
        dim: width of their space.
        blocks: number of blocks of each tower with tokens.
        backbone: gives the widths of the towers.
        generator: draws N(0, 0.02) tokens, torch's linear layers and a N(0, 1 / width) projection.
    """

    def __init__(self, n_tokens: int, dim: int, blocks: int, backbone: Backbone, generator: torch.Generator) -> None:
        super().__init__()
        width = backbone.vision_width
        self.tokens = normal_parameter((n_tokens, dim), generator)
        to_image, to_text = linear_layer(dim, width, generator), linear_layer(dim, backbone.text_width, generator)
        self.to_image = nn.ModuleList([copy.deepcopy(to_image) for _ in range(blocks)])
        self.to_text = nn.ModuleList([copy.deepcopy(to_text) for _ in range(blocks)])
        self.projection = normal_parameter((width, backbone.embed_dim), generator, std=width**-0.5)

    def text(self) -> list[Float[Tensor, "n_tokens text"]]:
        """Tokens of the text tower by block."""
        return [into(self.tokens) for into in self.to_text]

    def image(self) -> list[Float[Tensor, "n_tokens image"]]:
        """Tokens of the image tower by block."""
        return [into(self.tokens) for into in self.to_image]
