"""Features of the tiny CLIP for official code that reads features from files."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from parity_kit import images, tiny_backbone
from recording import Weights
from torch import Tensor, nn

from methods import tokenize


class FrozenFeatures:
    """Unnormalised features of images and texts."""

    def __init__(self, clip: Weights) -> None:
        self.model: nn.Module = copy.deepcopy(tiny_backbone().model)
        for name, value in self.model.named_parameters():
            value.data.copy_(clip[name])

    @torch.no_grad()
    def images(self, part: str, *, mirrored: bool = False) -> Tensor:
        """`(20, dim)`; image 2c + k is the k-th of class c."""
        pixels = images(part)
        found: Tensor = self.model.encode_image(pixels.flip(-1) if mirrored else pixels)  # type: ignore[operator]
        return found

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """`(n, dim)`."""
        found: Tensor = self.model.encode_text(tokenize(list(texts)))  # type: ignore[operator]
        return found
