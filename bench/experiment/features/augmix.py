"""AugMix: an image is mixed with distorted copies of itself.

Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty", ICLR 2020. TPT and
TDA use it for views of test images: azshue/TPT `data/datautils.py` and `data/augmix_ops.py`. With a crop x of an image,

    mixture = m x + (1 - m) sum_i w_i chain_i(x),    m ~ Beta(1, 1),    w ~ Dirichlet(1, 1, 1)

where each of the three chains applies one to three operations, drawn with repetition. Their strengths are those of
severity 1, the official default, so rotations are at most two degrees. The official code hard-codes 224 pixels; here
translations are relative to the size of the image. It mixes normalised pixels, which is the same but for the rounding
of the mixture to whole bytes here.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

CHAINS = 3
LONGEST_CHAIN = 3
LEVELS = (0.1, 1.0)
"""Range of an operation's level at severity 1."""


def _moved(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    """The image whose pixel (x, y) is that of (a x + b y + c, d x + e y + f) in the given one; black outside."""
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR)


OPERATIONS: Mapping[str, Callable[[Image.Image, float], Image.Image]] = {
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "posterize": lambda image, _: ImageOps.posterize(image, 4),
    "rotate": lambda image, level: image.rotate(int(3 * level), resample=Image.Resampling.BILINEAR),
    "solarize": lambda image, level: ImageOps.solarize(image, 256 - int(25.6 * abs(level))),
    "shear_x": lambda image, level: _moved(image, (1, 0.03 * level, 0, 0, 1, 0)),
    "shear_y": lambda image, level: _moved(image, (1, 0, 0, 0.03 * level, 1, 0)),
    "translate_x": lambda image, level: _moved(image, (1, 0, int(level * image.width / 30), 0, 1, 0)),
    "translate_y": lambda image, level: _moved(image, (1, 0, 0, 0, 1, int(level * image.height / 30))),
}
"""Operations on an image and a level in -1..1. The official level is the absolute value, and its sign is drawn.

Rotations are in whole degrees and translations in whole pixels, at most a thirtieth of the image. At severity 1
`posterize` always keeps four bits. Colour, contrast, brightness and sharpness are left out officially as well, since
they are corruptions of ImageNet-C.
"""


class Uniforms:
    """Uniform numbers in [0, 1) from SHA-256 of (key, counter): the same on every machine."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._counter = 0

    def next(self) -> float:
        """The next number."""
        block = hashlib.sha256(f"{self._key}|{self._counter}".encode()).digest()
        self._counter += 1
        return (int.from_bytes(block[:8], "big") >> 11) / (1 << 53)

    def between(self, low: float, high: float) -> float:
        """The next number, uniform between two bounds."""
        return low + (high - low) * self.next()

    def integer_up_to(self, high: int) -> int:
        """Uniform over 0, 1, ..., high."""
        return int(self.next() * (high + 1))


@dataclass(frozen=True)
class Mixing:
    """One draw of AugMix.

    Args:
        share: m, the share of the undistorted crop, 0..1.
        weights: of the chains; their sum is 1.
        chains: the operations of each chain with their levels, -1..1.
    """

    share: float
    weights: tuple[float, ...]
    chains: tuple[tuple[tuple[str, float], ...], ...]


def draw_mixing(draws: Uniforms) -> Mixing:
    """Draw shares, weights and operations."""
    share = draws.next()  # Beta(1, 1) is uniform
    exponential = [-math.log(1 - draws.next()) for _ in range(CHAINS)]  # normalised, they are Dirichlet(1, 1, 1)
    chains = tuple(
        tuple(_draw_operation(draws) for _ in range(1 + draws.integer_up_to(LONGEST_CHAIN - 1))) for _ in range(CHAINS)
    )
    return Mixing(share, tuple(x / sum(exponential) for x in exponential), chains)


def _draw_operation(draws: Uniforms) -> tuple[str, float]:
    name = tuple(OPERATIONS)[draws.integer_up_to(len(OPERATIONS) - 1)]
    level = draws.between(*LEVELS)
    return name, -level if draws.next() > 0.5 else level


def mixed(image: Image.Image, mixing: Mixing) -> UInt8[np.ndarray, "h w 3"]:
    """The mixture of an RGB image, rounded to whole bytes."""
    total = mixing.share * np.asarray(image, dtype=np.float64)
    for weight, chain in zip(mixing.weights, mixing.chains, strict=True):
        distorted = image
        for name, level in chain:
            distorted = OPERATIONS[name](distorted, level)
        total += (1 - mixing.share) * weight * np.asarray(distorted, dtype=np.float64)
    return np.rint(total).clip(0, 255).astype(np.uint8)
