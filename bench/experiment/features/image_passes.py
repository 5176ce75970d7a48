"""Passes of equal size through the frozen image tower, so that a feature's bits do not depend on its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor

from methods import Backbone, image_hidden_states

ENCODE_BATCH = 32
"""Images of a pass on the CPU, and the fewest elsewhere."""
_MOST_ON_GPU = 256
_RESNET_ON_GPU = 128
_BYTES_ON_GPU = 2**29
"""What the widest activations of a pass may take on a GPU: four times the width for each token, in fp32."""


def images_per_pass(backbone: Backbone) -> int:
    """Images of one pass, by the backbone and the kind of its device alone, never by the memory that is free.

    A GPU computes small passes of a fast tower in less time than it takes to start them. On CUDA a pass therefore has
    the largest power of two of images that fits `_BYTES_ON_GPU`: 128 for ViT-B/16, 256 for ViT-B/32, 64 for ViT-L/14.
    """
    if backbone.device.type != "cuda":
        return ENCODE_BATCH
    tower, size = backbone.image_tower, backbone.image_size
    if not tower.transformer:
        return _RESNET_ON_GPU
    with torch.no_grad():
        tokens = image_hidden_states(tower, torch.zeros(1, 3, size, size, device=backbone.device), 0).shape[1]
    return fitting_pass(tokens, tower.width)


def fitting_pass(tokens: int, width: int) -> int:
    """Images of one pass on a GPU through a tower with that many tokens and that width.

    Example:
        >>> fitting_pass(197, 768), fitting_pass(50, 768), fitting_pass(577, 1024)
        (128, 256, 32)
    """
    fitting = max(1, _BYTES_ON_GPU // (tokens * 4 * width * 4))
    return min(_MOST_ON_GPU, max(ENCODE_BATCH, 1 << fitting.bit_length() - 1))


def pass_arithmetic(backbone: Backbone) -> str:
    """What decides the bits of a feature beside weights and pixels: `Backbone.arithmetic`, and the size of passes.

    The size follows after `x` where it is not that of the CPU, such as `fp32.cuda90x128`.
    """
    size = images_per_pass(backbone)
    return backbone.arithmetic + (f"x{size}" if size != ENCODE_BATCH else "")


def encode_padded(
    backbone: Backbone, pixels: Tensor, tower: Callable[[Tensor], Tensor], share: Fraction, size: int
) -> Tensor:
    """What `tower`, that share of the image tower, gives for at most `size` images; float32, on the tower's device.

    The pass is padded with zeros to its full size. Padding does not count as images.
    """
    padding = pixels.new_zeros(size - len(pixels), *pixels.shape[1:])
    with torch.no_grad():
        encoded = tower(torch.cat([pixels, padding]).to(backbone.device))[: len(pixels)]
    backbone.passes.image -= share * len(padding)
    return encoded.float()
