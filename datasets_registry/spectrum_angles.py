"""Spectrum Angles: an arrow at thirteen angles from upright to upside down, leaning left or right."""

from dataclasses import replace

import numpy as np
from PIL import Image

from datasets_registry._synthetic.suite import (
    COLOURS,
    add_figures,
    background,
    centred_figure,
    noisy_image,
    pick,
    synthetic_dataset,
)

CLASS_NAMES = (
    "zero", "fifteen", "thirty", "forty_five", "sixty", "seventy_five", "ninety", "one_hundred_and_five",
    "one_hundred_and_twenty", "one_hundred_and_thirty_five", "one_hundred_and_fifty", "one_hundred_and_sixty_five",
    "one_hundred_and_eighty",
)  # fmt: skip
STEP = 15.0
"""Degrees between neighbouring classes."""
UNSTEADY = 3.0
"""Largest deviation from the class's angle, in degrees."""


@synthetic_dataset(
    "spectrum_angles",
    summary="One arrow at thirteen angles: no training caption mentioned angles or used most of these words.",
    domain="fine-grained angles",
    class_names=CLASS_NAMES,
    template="a photo of a arrow at {} degrees.",
    parameters={"step": STEP, "unsteady": UNSTEADY},
)
def spectrum_angles(label: int, rng: np.random.Generator) -> Image.Image:
    """An arrow of any colour, rotated left or right by the class's angle, so mirroring keeps the class."""
    colour = pick(rng, COLOURS)
    canvas = background(rng, colour)
    figure = centred_figure("arrow", rng, rotation=UNSTEADY)
    lean = figure.rotation + STEP * label
    turned = replace(figure, rotation=lean if rng.random() < 0.5 else -lean, stretch=1.0)
    add_figures(canvas, rng, colour, turned)
    return noisy_image(canvas, rng)
