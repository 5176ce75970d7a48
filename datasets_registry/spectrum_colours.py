"""Spectrum Colours: two finer colours behind each colour word; the finer word is new."""

from __future__ import annotations

import numpy as np
from PIL import Image

from datasets_registry._drawing import Colour, finished, grain, jitter, mask, paint
from datasets_registry._drawn_suite import any_shape, drawn_dataset, middle_figure, plain_ground
from datasets_registry._registry import register_dataset

COLOURS: dict[str, Colour] = {
    "crimson_red": (190, 15, 60),
    "brick_red": (180, 75, 55),
    "navy_blue": (25, 35, 110),
    "sky_blue": (95, 165, 235),
    "olive_green": (115, 125, 40),
    "mint_green": (110, 215, 160),
    "lemon_yellow": (245, 240, 110),
    "mustard_yellow": (205, 165, 40),
    "violet_purple": (110, 60, 200),
    "plum_purple": (125, 40, 100),
    "salmon_pink": (250, 145, 130),
    "magenta_pink": (235, 60, 165),
    "chestnut_brown": (105, 50, 35),
    "tan_brown": (185, 145, 100),
    "amber_orange": (250, 175, 30),
    "coral_orange": (250, 110, 70),
}
SPREAD = 10.0
"""How much every channel varies within a class."""


def draw(label: int, rng: np.random.Generator) -> Image.Image:
    """Any known shape in the class's colour."""
    name = tuple(COLOURS)[label]
    canvas = plain_ground(rng, name.rpartition("_")[2])
    paint(canvas, mask(middle_figure(any_shape(rng), rng)), jitter(COLOURS[name], rng, SPREAD))
    grain(canvas, rng, 4)
    return finished(canvas)


register_dataset(
    drawn_dataset(
        "spectrum_colours",
        title="Spectrum Colours",
        summary="Fine colours with half-known names, such as crimson red beside brick red.",
        domain="colours",
        class_names=tuple(COLOURS),
        template="a photo of a {}.",
        painter=draw,
        parameters={"colours": {name: list(rgb) for name, rgb in COLOURS.items()}, "spread": SPREAD},
    )
)
