"""Shared parts of the synthetic datasets: number of images, registration, and common ways to compose an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datasets_registry._synthetic.drawing import (
    SIZE,
    SURFACES,
    Array,
    Colour,
    Figure,
    Painter,
    SyntheticImages,
    blank,
    jitter,
)
from datasets_registry._synthetic.world import BACKGROUNDS, COLOURS, contrasting_background, pick
from datasets_registry._types import DatasetInfo, DatasetSplits, Sample

TRAIN_PER_CLASS, VAL_PER_CLASS, TEST_PER_CLASS = 24, 4, 30
LICENCE = "MIT (drawn by this project)"

COLOURED_SHAPES = (
    "red_circle", "blue_circle", "green_square", "orange_square", "yellow_triangle", "purple_triangle", "pink_star",
    "blue_star", "red_cross", "black_cross", "red_heart", "white_heart", "brown_ring", "green_ring", "orange_arrow",
    "blue_arrow", "yellow_moon", "white_moon", "purple_flower", "yellow_flower", "green_diamond", "pink_diamond",
    "black_bolt", "orange_bolt",
)  # fmt: skip
"""Every shape of the world in two of its colours; each colour occurs two or three times."""


def synthetic_dataset(
    name: str,
    *,
    title: str,
    summary: str,
    domain: str,
    class_names: Sequence[str],
    painter: Painter,
    template: str = "a photo of a {}.",
    parameters: Mapping[str, object] | None = None,
) -> DatasetInfo:
    """The catalogue entry of a synthetic dataset, with splits of equal size for every class, in label order.

    Args:
        name: the registry name.
        title: the name in tables.
        summary: one sentence on the shift that makes it hard.
        domain: a few words.
        class_names: in label order.
        painter: draws an image of a class.
        template: text around a class name.
        parameters: values that the images depend on; part of every image digest.
    """
    names = tuple(class_names)
    images = SyntheticImages(name, {"classes": list(names), **(parameters or {})}, painter, len(names))

    def split(start: int, count: int) -> tuple[Sample, ...]:
        return tuple(Sample(f"{label}/{start + i}", label) for label in range(len(names)) for i in range(count))

    def read(_: Path | None) -> DatasetSplits:
        return DatasetSplits(
            images=images,
            class_names=names,
            train=split(0, TRAIN_PER_CLASS),
            val=split(TRAIN_PER_CLASS, VAL_PER_CLASS),
            test=split(TRAIN_PER_CLASS + VAL_PER_CLASS, TEST_PER_CLASS),
        )

    return DatasetInfo(
        name=name, title=title, summary=summary, domain=domain, num_classes=len(names), class_names=names,
        template=template, licence=LICENCE, homepage="", citation="", reader=read, synthetic=True,
    )  # fmt: skip


def centred_figure(
    shape: str, rng: np.random.Generator, radius: tuple[float, float] = (12, 18), rotation: float = 20
) -> Figure:
    """One figure near the centre, rotated by at most `rotation` degrees in either direction."""
    size = float(rng.uniform(*radius))
    shift = rng.uniform(-0.35, 0.35, 2) * (SIZE / 2 - size)
    return Figure(
        shape, SIZE / 2 + float(shift[0]), SIZE / 2 + float(shift[1]), size, float(rng.uniform(-rotation, rotation)),
        float(rng.uniform(0.88, 1.14)),
    )  # fmt: skip


def plain_background(rng: np.random.Generator, *avoided: str) -> Array:
    """A canvas in one of the world's background colours; it contrasts with the colour name in `avoided`, if given."""
    name = contrasting_background(rng, avoided[0]) if avoided else pick(rng, BACKGROUNDS)
    return blank(jitter(BACKGROUNDS[name], rng, 14))


def varied_colour(name: str, rng: np.random.Generator) -> Colour:
    """The world's colour of that name with a small random variation."""
    return jitter(COLOURS[name], rng, 16)


def coloured_shape(class_name: str) -> tuple[str, str]:
    """Split `red_circle` into colour and shape."""
    colour, _, shape = class_name.partition("_")
    return colour, shape


def random_colour(rng: np.random.Generator) -> str:
    """A random colour name of the world."""
    return pick(rng, COLOURS)


def mostly_plain_surface(rng: np.random.Generator) -> str:
    """A surface: plain with probability 2/3, otherwise any other."""
    return "plain" if rng.random() < 2 / 3 else pick(rng, SURFACES[1:])
