"""Spectrum Basic: lone coloured figures exactly as the backbone's training world draws them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from datasets_registry._registry import register_dataset
from datasets_registry._synthetic.drawing import finished, grain, mask, paint, surface
from datasets_registry._synthetic.suite import (
    COLOURED_SHAPES,
    coloured_shape,
    drawn_dataset,
    ink,
    middle_figure,
    mostly_plain,
    plain_ground,
)
from datasets_registry._synthetic.world import second_tone


def draw(label: int, rng: np.random.Generator) -> Image.Image:
    """A figure of the class's colour and shape, mostly plain."""
    colour, shape = coloured_shape(COLOURED_SHAPES[label])
    canvas = plain_ground(rng, colour)
    tone_a = ink(colour, rng)
    tone = surface(mostly_plain(rng), rng, period=float(rng.uniform(4.5, 7)), turn=float(rng.uniform(0, 180)))
    paint(canvas, mask(middle_figure(shape, rng)), tone_a, second_tone(tone_a, rng), tone)
    grain(canvas, rng, 4)
    return finished(canvas)


register_dataset(
    drawn_dataset(
        "spectrum_basic",
        title="Spectrum Basic",
        summary="Coloured figures as in the backbone's training world: no shift, the easy end of the spectrum.",
        domain="drawn figures",
        class_names=COLOURED_SHAPES,
        template="a photo of a {}.",
        painter=draw,
        parameters={},
    )
)
