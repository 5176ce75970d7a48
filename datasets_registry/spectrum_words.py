"""Spectrum Words: the world's own figures, half of them under names that no caption ever used."""

from __future__ import annotations

import numpy as np
from PIL import Image

from datasets_registry._registry import register_dataset
from datasets_registry._synthetic.drawing import finished, grain, mask, paint
from datasets_registry._synthetic.suite import drawn_dataset, ink, middle_figure, plain_ground

WORDS = {"disc": "circle", "star": "star", "tile": "square", "heart": "heart", "hoop": "ring", "moon": "moon"}
"""The word in a class's name, and the world's shape that it stands for; every second one is known."""
TONES = ("red", "green", "blue", "yellow")
CLASS_NAMES = tuple(f"{tone}_{word}" for word in WORDS for tone in TONES)


def draw(label: int, rng: np.random.Generator) -> Image.Image:
    """The shape behind the class's word, in the class's colour."""
    colour, _, word = CLASS_NAMES[label].partition("_")
    canvas = plain_ground(rng, colour)
    paint(canvas, mask(middle_figure(WORDS[word], rng)), ink(colour, rng))
    grain(canvas, rng, 4)
    return finished(canvas)


register_dataset(
    drawn_dataset(
        "spectrum_words",
        title="Spectrum Words",
        summary="Known figures, half of them under a new word such as hoop for ring: only the names are unfamiliar.",
        domain="unfamiliar words",
        class_names=CLASS_NAMES,
        template="a photo of a {}.",
        painter=draw,
        parameters={"words": WORDS},
    )
)
