"""Spectrum Words: the world's own figures under names that no caption ever used."""

from __future__ import annotations

import numpy as np
from PIL import Image

from datasets_registry._drawing import finished, grain, mask, paint
from datasets_registry._drawn_suite import drawn_dataset, ink, middle_figure, plain_ground
from datasets_registry._registry import register_dataset

NEW_WORDS = {"disc": "circle", "tile": "square", "wedge": "triangle", "hoop": "ring", "crescent": "moon"}
TONES = ("red", "green", "blue", "yellow")
CLASS_NAMES = tuple(f"{tone}_{word}" for word in NEW_WORDS for tone in TONES)


def draw(label: int, rng: np.random.Generator) -> Image.Image:
    """The shape behind the class's new word, in the class's colour."""
    colour, _, word = CLASS_NAMES[label].partition("_")
    canvas = plain_ground(rng, colour)
    paint(canvas, mask(middle_figure(NEW_WORDS[word], rng)), ink(colour, rng))
    grain(canvas, rng, 4)
    return finished(canvas)


register_dataset(
    drawn_dataset(
        "spectrum_words",
        title="Spectrum Words",
        summary="Known figures under new words, such as hoop for ring: pictures are familiar, only the names are not.",
        domain="unfamiliar words",
        class_names=CLASS_NAMES,
        template="a photo of a {}.",
        painter=draw,
        parameters={"words": NEW_WORDS},
    )
)
