"""Spectrum Layout: classes differ by the size and the height of the figure."""

import numpy as np
from PIL import Image

from datasets_registry._synthetic.drawing import SIZE, Figure
from datasets_registry._synthetic.suite import (
    COLOURS,
    PLACES,
    add_figures,
    background,
    noisy_image,
    pick,
    synthetic_dataset,
)

RADII = {"small": (6.0, 8.5), "large": (11.5, 14.0)}
"""Radii in pixels: more similar than in the training world, and small enough that large figures can be moved."""
FIGURES = ("circle", "star", "heart")
HEIGHTS = ("at the top", "in the middle", "at the bottom")
"""Left and right are not used, since a mirrored image must keep its class."""
CLASS_NAMES = tuple(
    f"{size}_{shape}_{height.replace(' ', '_')}" for size in RADII for shape in FIGURES for height in HEIGHTS
)
OFF_CENTRE = (0.35, 1.0)
"""Distance from the centre, as a share of the available space."""


@synthetic_dataset(
    "spectrum_layout",
    summary="Classes differ by size and height: the words are known, but captions rarely combined them.",
    domain="spatial layout",
    class_names=CLASS_NAMES,
    parameters={"radii": {size: list(r) for size, r in RADII.items()}, "off centre": list(OFF_CENTRE)},
)
def spectrum_layout(label: int, rng: np.random.Generator) -> Image.Image:
    """A figure of the class's size and shape at the class's height."""
    size, shape, *height = CLASS_NAMES[label].split("_")
    _, down = PLACES[" ".join(height)]
    radius = float(rng.uniform(*RADII[size]))
    room = SIZE / 2 - radius
    x = SIZE / 2 + room * float(rng.uniform(-0.5, 0.5))
    y = SIZE / 2 + room * (down * float(rng.uniform(*OFF_CENTRE)) + (down == 0) * float(rng.uniform(-0.2, 0.2)))
    colour = pick(rng, COLOURS)
    canvas = background(rng, colour)
    add_figures(canvas, rng, colour, Figure(shape, x, y, radius, float(rng.uniform(-20, 20))))
    return noisy_image(canvas, rng)
