"""Spectrum Blur: known figures through a bad lens, out of focus, pale and noisy."""

from __future__ import annotations

import numpy as np
from PIL import Image

from datasets_registry._registry import register_dataset
from datasets_registry._synthetic.drawing import finished, grain, mask, paint
from datasets_registry._synthetic.suite import any_colour, drawn_dataset, ink, middle_figure, plain_ground
from datasets_registry._synthetic.world import SHAPES

FOCUS = (1.5, 2.5)
"""Standard deviation of the blur, in pixels."""
CONTRAST = (0.35, 0.6)
NOISE = 25.0
"""Standard deviation of the noise before the blur."""


def draw(label: int, rng: np.random.Generator) -> Image.Image:
    """The class's shape in any colour, degraded."""
    colour = any_colour(rng)
    canvas = plain_ground(rng, colour)
    paint(canvas, mask(middle_figure(SHAPES[label], rng)), ink(colour, rng))
    grain(canvas, rng, NOISE)
    return finished(canvas, blur=float(rng.uniform(*FOCUS)), contrast=float(rng.uniform(*CONTRAST)))


register_dataset(
    drawn_dataset(
        "spectrum_blur",
        title="Spectrum Blur",
        summary="Known figures out of focus, pale and noisy: the backbone only ever saw sharp, full contrast.",
        domain="degraded pictures",
        class_names=SHAPES,
        template="a photo of a {}.",
        painter=draw,
        parameters={"focus": list(FOCUS), "contrast": list(CONTRAST), "noise": NOISE},
    )
)
