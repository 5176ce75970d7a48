"""Shared parts of the synthetic datasets: number of images, registration, and helpers that compose an image."""

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
from datasets_registry._synthetic.world import BACKGROUNDS, COLOURS, contrasting_background
from datasets_registry._types import DatasetInfo, DatasetSplits, Sample

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
        num_classes=len(names), class_names=names, template=template, licence="MIT (drawn by this project)",
        homepage="", citation="", reader=lambda _: splits(TEST_PER_CLASS), synthetic=True,
        options=TEST_OPTION, with_options=with_options,
    )  # fmt: skip
    return info


def synthetic_dataset(name: str, **facts: Any) -> Callable[[Painter], DatasetInfo]:
    """Decorator: register a dataset whose images the function draws; `facts` are arguments of `synthetic_info`."""
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
