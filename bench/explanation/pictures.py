"""Thumbnails as data addresses."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLD, HOT = np.array([40, 80, 200]), np.array([230, 60, 30])
"""Colours of the least and the most similar patch."""


def small_picture(image: Image.Image, side: int = 112) -> str:
    """A JPEG in a data address, at most `side` pixels wide and high."""
    small = image.convert("RGB")
    small.thumbnail((side, side))
    return _address(small)


def overlaid(image: Image.Image, grid: NDArray[Any], side: int = 160) -> str:
    """The image under a map from blue (lowest value) to red (highest)."""
    low, high = float(grid.min()), float(grid.max())
    share = (grid - low) / (high - low) if high > low else np.zeros_like(grid)
    colours = (COLD + share[..., None] * (HOT - COLD)).astype(np.uint8)
    heat = Image.fromarray(colours).resize((side, side), Image.Resampling.NEAREST)
    return _address(Image.blend(image.convert("RGB").resize((side, side)), heat, 0.5))


def _address(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
