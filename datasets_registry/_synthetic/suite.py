"""Shared parts of the synthetic datasets: the world's shapes and colours, registration, and composition of an image.

The training world of the demo backbone has the same shapes, colours and places; `tools.train_demo_backbone.scenes`
paints and captions it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from datasets_registry._catalogue import register_dataset
from datasets_registry._errors import BenchError
from datasets_registry._synthetic.drawing import (
    SIZE,
    Array,
    Colour,
    Figure,
    Painter,
    SyntheticImages,
    add_noise,
    blank,
    jitter,
    mask,
    paint,
    to_image,
)
from datasets_registry._types import DatasetInfo, DatasetSplits, Sample

SHAPES = (
    "circle", "square", "triangle", "star", "cross", "heart", "ring", "arrow", "moon", "flower", "diamond", "bolt",
)  # fmt: skip
COLOURS: dict[str, Colour] = {
    "red": (215, 40, 40),
    "orange": (245, 140, 25),
    "yellow": (240, 220, 50),
    "green": (45, 160, 65),
    "blue": (45, 85, 205),
    "purple": (135, 55, 170),
    "pink": (245, 150, 190),
    "brown": (120, 75, 40),
    "black": (22, 22, 24),
    "white": (246, 246, 246),
}
BACKGROUNDS: dict[str, Colour] = {
    "white": (238, 238, 238),
    "black": (28, 28, 30),
    "gray": (140, 140, 142),
    "green": (150, 200, 150),
    "blue": (160, 190, 230),
    "yellow": (238, 228, 170),
}
PLACES: dict[str, tuple[float, float]] = {
    "in the middle": (0.0, 0.0),
    "on the left": (-1.0, 0.0),
    "on the right": (1.0, 0.0),
    "at the top": (0.0, -1.0),
    "at the bottom": (0.0, 1.0),
}


def pick(rng: np.random.Generator, items: tuple[str, ...] | dict[str, Colour]) -> str:
    """One of the items, with equal probability."""
    names = tuple(items)
    return names[int(rng.integers(len(names)))]


def contrasting_background(rng: np.random.Generator, colour: str) -> str:
    """A background whose colour differs from the figure's and is not close to it."""
    close = {"pink": "yellow", "yellow": "white", "white": "yellow"}
    return pick(rng, tuple(name for name in BACKGROUNDS if name not in (colour, close.get(colour))))


def second_tone(ink: Colour, rng: np.random.Generator) -> Colour:
    """The second tone of a patterned surface: clearly lighter than the first, or darker if that is light."""
    goal = 30.0 if sum(ink) > 330 else 240.0
    share = float(rng.uniform(0.4, 0.65))
    r, g, b = (channel + share * (goal - channel) for channel in ink)
    return r, g, b


def plural_of_shape(shape: str) -> str:
    """The plural of a shape's name."""
    return f"{shape}es" if shape == "cross" else f"{shape}s"


TRAIN_PER_CLASS, VAL_PER_CLASS, TEST_PER_CLASS = 24, 4, 30

COLOURED_SHAPES = (
    "red_circle", "blue_circle", "green_square", "orange_square", "yellow_triangle", "purple_triangle", "pink_star",
    "blue_star", "red_cross", "black_cross", "red_heart", "white_heart", "brown_ring", "green_ring", "orange_arrow",
    "blue_arrow", "yellow_moon", "white_moon", "purple_flower", "yellow_flower", "green_diamond", "pink_diamond",
    "black_bolt", "orange_bolt",
)  # fmt: skip
"""Every shape of the training world in two of its colours; each colour occurs two or three times."""


TEST_OPTION = {"test": f"test images per class, 1 to {TEST_PER_CLASS}; default {TEST_PER_CLASS}"}


def synthetic_info(
    name: str,
    painter: Painter,
    *,
    summary: str,
    domain: str,
    class_names: Sequence[str],
    title: str | None = None,
    template: str = "a photo of a {}.",
    parameters: Mapping[str, object] | None = None,
) -> DatasetInfo:
    """The catalogue entry of a synthetic dataset. Every class has the same number of images, in label order.

    The option `test` keeps only the first `test` test images of each class.

    Args:
        summary: one sentence on the shift that makes it hard.
        title: the name in tables; None derives it from `name`.
        parameters: values that the images depend on; part of every image digest.
    """
    names = tuple(class_names)
    images = SyntheticImages(name, {"classes": list(names), **(parameters or {})}, painter, len(names))

    def split(start: int, count: int) -> tuple[Sample, ...]:
        return tuple(Sample(f"{label}/{start + i}", label) for label in range(len(names)) for i in range(count))

    train, val = split(0, TRAIN_PER_CLASS), split(TRAIN_PER_CLASS, VAL_PER_CLASS)

    def splits(tested: int) -> DatasetSplits:
        return DatasetSplits(images, names, train, val, split(TRAIN_PER_CLASS + VAL_PER_CLASS, tested))

    def with_options(options: Mapping[str, str]) -> DatasetInfo:
        text = options["test"]
        tested = int(text) if text.isdecimal() else 0
        if not 1 <= tested <= TEST_PER_CLASS:
            raise BenchError(f"Option test={text!r} of dataset {name!r} must be a number from 1 to {TEST_PER_CLASS}.")
        return replace(info, reader=lambda _: splits(tested), options={}, with_options=None)

    info = DatasetInfo(
        name=name, title=title or name.replace("_", " ").title(), summary=summary, domain=domain,
        num_classes=len(names), class_names=names, template=template, licence="MIT (generated by this project)",
        homepage="", citation="", reader=lambda _: splits(TEST_PER_CLASS), synthetic=True,
        options=TEST_OPTION, with_options=with_options,
    )  # fmt: skip
    return info


def synthetic_dataset(name: str, **facts: Any) -> Callable[[Painter], DatasetInfo]:
    """Decorator: register a dataset whose images the function paints; `facts` are arguments of `synthetic_info`."""
    return lambda painter: register_dataset(synthetic_info(name, painter, **facts))


def centred_figure(
    shape: str, rng: np.random.Generator, radius: tuple[float, float] = (12, 18), rotation: float = 20
) -> Figure:
    """One figure near the centre, rotated by at most `rotation` degrees in either direction."""
    size = float(rng.uniform(*radius))
    x, y = (SIZE / 2 + rng.uniform(-0.35, 0.35, 2) * (SIZE / 2 - size)).tolist()
    return Figure(shape, x, y, size, float(rng.uniform(-rotation, rotation)), float(rng.uniform(0.88, 1.14)))


def background(rng: np.random.Generator, avoided: str) -> Array:
    """A canvas in one of the world's background colours that contrasts with the colour named `avoided`."""
    return blank(jitter(BACKGROUNDS[contrasting_background(rng, avoided)], rng, 14))


def add_figures(canvas: Array, rng: np.random.Generator, colour: str, *figures: Figure) -> None:
    """Paint figures in one variation of the world's colour named `colour`."""
    paint(canvas, mask(*figures), varied_colour(colour, rng))


def varied_colour(name: str, rng: np.random.Generator) -> Colour:
    """The world's colour of that name with a small random variation."""
    return jitter(COLOURS[name], rng, 16)


def noisy_image(canvas: Array, rng: np.random.Generator, sigma: float = 4.0) -> Image.Image:
    """The canvas as an image, after Gaussian pixel noise."""
    add_noise(canvas, rng, sigma)
    return to_image(canvas)
