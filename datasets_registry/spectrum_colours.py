"""Spectrum Colours: each known colour and a finer shade of it, whose name adds a new word."""

import numpy as np
from PIL import Image

from datasets_registry._synthetic.drawing import Colour, jitter, mask, paint
from datasets_registry._synthetic.suite import COLOURS, background, centred_figure, noisy_image, synthetic_dataset


def plain_name(finer: str) -> str:
    """The colour word at the end of a finer name."""
    return finer.rpartition("_")[2]


FINER: dict[str, Colour] = {
    "brick_red": (165, 75, 60),
    "sky_blue": (95, 165, 235),
    "olive_green": (115, 125, 40),
    "mustard_yellow": (200, 165, 50),
    "plum_purple": (110, 35, 85),
    "salmon_pink": (250, 145, 130),
    "tan_brown": (185, 145, 100),
    "coral_orange": (250, 110, 70),
}
TONES: dict[str, Colour] = {
    name: rgb
    for finer, other in FINER.items()
    for name, rgb in ((plain_name(finer), COLOURS[plain_name(finer)]), (finer, other))
}
"""Each finer colour follows the colour of the training world with the same last word."""
SPREAD = 10.0
"""Largest variation of a channel within a class."""


@synthetic_dataset(
    "spectrum_colours",
    summary="Each known colour and a finer shade with a half-known name, such as red and brick red.",
    domain="colours",
    class_names=tuple(TONES),
    template="a photo of a {} circle.",
    parameters={"tones": {name: list(rgb) for name, rgb in TONES.items()}, "spread": SPREAD},
)
def spectrum_colours(label: int, rng: np.random.Generator) -> Image.Image:
    """A circle in the class's colour."""
    name = tuple(TONES)[label]
    canvas = background(rng, plain_name(name))
    paint(canvas, mask(centred_figure("circle", rng)), jitter(TONES[name], rng, SPREAD))
    return noisy_image(canvas, rng)
