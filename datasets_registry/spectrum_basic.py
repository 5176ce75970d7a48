"""Spectrum Basic: single coloured figures, painted exactly as in the backbone's training world."""

import numpy as np
from PIL import Image

from datasets_registry._synthetic.drawing import SURFACES, mask, paint, surface
from datasets_registry._synthetic.suite import (
    COLOURED_SHAPES,
    background,
    centred_figure,
    noisy_image,
    pick,
    second_tone,
    synthetic_dataset,
    varied_colour,
)


@synthetic_dataset(
    "spectrum_basic",
    summary="Coloured figures as in the backbone's training world: no shift, the easy end of the spectrum.",
    domain="synthetic figures",
    class_names=COLOURED_SHAPES,
)
def spectrum_basic(label: int, rng: np.random.Generator) -> Image.Image:
    """A figure of the class's colour and shape, usually without a pattern."""
    colour, _, shape = COLOURED_SHAPES[label].partition("_")
    canvas = background(rng, colour)
    tone_a = varied_colour(colour, rng)
    kind = "plain" if rng.random() < 2 / 3 else pick(rng, SURFACES[1:])
    tone = surface(kind, rng, period=float(rng.uniform(4.5, 7)), rotation=float(rng.uniform(0, 180)))
    paint(canvas, mask(centred_figure(shape, rng)), tone_a, second_tone(tone_a, rng), tone)
    return noisy_image(canvas, rng)
