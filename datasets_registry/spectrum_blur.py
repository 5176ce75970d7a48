"""Spectrum Blur: known figures out of focus, with low contrast and noise."""

import numpy as np
from PIL import Image

from datasets_registry._synthetic.drawing import add_noise, to_image
from datasets_registry._synthetic.suite import (
    COLOURS,
    SHAPES,
    add_figures,
    background,
    centred_figure,
    pick,
    synthetic_dataset,
)

FOCUS = (1.5, 2.5)
"""Standard deviation of the blur, in pixels."""
CONTRAST = (0.35, 0.6)
NOISE = 25.0
"""Standard deviation of the noise before the blur."""


@synthetic_dataset(
    "spectrum_blur",
    summary="Known figures out of focus, pale and noisy: the backbone only saw sharp images with full contrast.",
    domain="degraded images",
    class_names=SHAPES,
    parameters={"focus": list(FOCUS), "contrast": list(CONTRAST), "noise": NOISE},
)
def spectrum_blur(label: int, rng: np.random.Generator) -> Image.Image:
    """The class's shape in a random colour, degraded."""
    colour = pick(rng, COLOURS)
    canvas = background(rng, colour)
    add_figures(canvas, rng, colour, centred_figure(SHAPES[label], rng))
    add_noise(canvas, rng, NOISE)
    return to_image(canvas, blur=float(rng.uniform(*FOCUS)), contrast=float(rng.uniform(*CONTRAST)))
