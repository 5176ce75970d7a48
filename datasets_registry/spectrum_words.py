"""Spectrum Words: figures of the training world, half of them under names that no caption used."""

import numpy as np
from PIL import Image

from datasets_registry._synthetic.suite import add_figures, background, centred_figure, noisy_image, synthetic_dataset

WORDS = {"disc": "circle", "star": "star", "tile": "square", "heart": "heart", "hoop": "ring", "moon": "moon"}
"""The words of class names and their shapes; every second word is known."""
TONES = ("red", "green", "blue", "yellow")
CLASS_NAMES = tuple(f"{tone}_{word}" for word in WORDS for tone in TONES)


@synthetic_dataset(
    "spectrum_words",
    summary="Known figures, half of them under a new word such as hoop for ring: only the names are unfamiliar.",
    domain="unfamiliar words",
    class_names=CLASS_NAMES,
    parameters={"words": WORDS},
)
def spectrum_words(label: int, rng: np.random.Generator) -> Image.Image:
    """The shape of the class's word, in the class's colour."""
    colour, _, word = CLASS_NAMES[label].partition("_")
    canvas = background(rng, colour)
    add_figures(canvas, rng, colour, centred_figure(WORDS[word], rng))
    return noisy_image(canvas, rng)
