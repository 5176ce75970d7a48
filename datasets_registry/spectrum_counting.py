"""Spectrum Counting: one to six small figures, scattered."""

import numpy as np
from PIL import Image

from datasets_registry._synthetic.drawing import SIZE, Figure
from datasets_registry._synthetic.suite import (
    COLOURS,
    add_figures,
    background,
    noisy_image,
    pick,
    plural_of_shape,
    synthetic_dataset,
)

NUMBERS = ("one", "two", "three", "four", "five", "six")
FIGURES = ("circle", "star", "cross")
CLASS_NAMES = tuple(f"{n}_{s if n == 'one' else plural_of_shape(s)}" for s in FIGURES for n in NUMBERS)
RADIUS = (6.0, 7.5)
"""In pixels."""
ROWS, COLUMNS = 2, 3
"""Figures are placed in different cells of a grid."""


@synthetic_dataset(
    "spectrum_counting",
    summary="One to six scattered figures: five and six are new words, and known counts were placed differently.",
    domain="counting",
    class_names=CLASS_NAMES,
    template="a photo of {}.",
    parameters={"radius": list(RADIUS), "board": [ROWS, COLUMNS]},
)
def spectrum_counting(label: int, rng: np.random.Generator) -> Image.Image:
    """The class's number of figures of its shape, all of one colour and nearly one size."""
    shape, number = FIGURES[label // len(NUMBERS)], label % len(NUMBERS) + 1
    colour = pick(rng, COLOURS)
    canvas = background(rng, colour)
    figures = [
        Figure(
            shape,
            (spot % COLUMNS + 0.5) * SIZE / COLUMNS + float(rng.uniform(-1, 1)),
            (spot // COLUMNS + 0.5) * SIZE / ROWS + float(rng.uniform(-4, 4)),
            float(rng.uniform(*RADIUS)),
            float(rng.uniform(-20, 20)),
        )
        for spot in rng.permutation(ROWS * COLUMNS)[:number].tolist()
    ]
    add_figures(canvas, rng, colour, *figures)
    return noisy_image(canvas, rng)
