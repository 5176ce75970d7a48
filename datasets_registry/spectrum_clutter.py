"""Spectrum Clutter: the figure among small scraps of other colours, some of them in front of it."""

import numpy as np
from PIL import Image

from datasets_registry._synthetic.drawing import OUTLINES, SIZE, Array, Figure
from datasets_registry._synthetic.suite import (
    COLOURED_SHAPES,
    COLOURS,
    add_figures,
    background,
    centred_figure,
    noisy_image,
    pick,
    synthetic_dataset,
)

BEHIND, IN_FRONT = 5, 1
"""Number of scraps."""
SCRAP_RADIUS = (2.0, 4.0)
"""In pixels."""


def paint_scrap(canvas: Array, rng: np.random.Generator, radius: tuple[float, float]) -> None:
    """Paint one small figure of random outline, colour and position."""
    outline = sorted(OUTLINES)[int(rng.integers(len(OUTLINES)))]
    x, y = rng.uniform(0, SIZE, 2).tolist()
    figure = Figure(outline, x, y, float(rng.uniform(*radius)), float(rng.uniform(0, 360)))
    add_figures(canvas, rng, pick(rng, COLOURS), figure)


@synthetic_dataset(
    "spectrum_clutter",
    summary="Known figures among scraps of other colours: the backbone only saw plain backgrounds.",
    domain="cluttered scenes",
    class_names=COLOURED_SHAPES,
    parameters={"behind": BEHIND, "in front": IN_FRONT, "scrap radius": list(SCRAP_RADIUS)},
)
def spectrum_clutter(label: int, rng: np.random.Generator) -> Image.Image:
    """The class's figure with scraps behind and in front."""
    colour, _, shape = COLOURED_SHAPES[label].partition("_")
    canvas = background(rng, colour)
    for _ in range(BEHIND):
        paint_scrap(canvas, rng, SCRAP_RADIUS)
    add_figures(canvas, rng, colour, centred_figure(shape, rng))
    for _ in range(IN_FRONT):
        paint_scrap(canvas, rng, SCRAP_RADIUS)
    return noisy_image(canvas, rng)
