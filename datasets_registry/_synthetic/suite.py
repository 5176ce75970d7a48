"""What the drawn datasets share: how many pictures they have, and the common ways to place a figure before a ground."""

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
"""Every shape of the world in two of its colours, each colour two or three times."""


def synthetic_dataset(
    name: str,
    *,
    title: str,
    summary: str,
    domain: str,
    class_names: Sequence[str],
    template: str,
    painter: Painter,
    parameters: Mapping[str, object],
) -> DatasetInfo:
    """The entry of a drawn dataset: equal splits of every class, in label order, read from nowhere."""
    names = tuple(class_names)
    images = SyntheticImages(name, {"classes": list(names), **parameters}, painter, len(names))

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
    """One figure near the middle, turned by at most `rotation` degrees either way."""
    size = float(rng.uniform(*radius))
    shift = rng.uniform(-0.35, 0.35, 2) * (SIZE / 2 - size)
    return Figure(
        shape, SIZE / 2 + float(shift[0]), SIZE / 2 + float(shift[1]), size, float(rng.uniform(-rotation, rotation)),
        float(rng.uniform(0.88, 1.14)),
    )  # fmt: skip


def plain_background(rng: np.random.Generator, *avoided: str) -> Array:
    """A canvas in one of the world's background colours that contrasts with the first colour name avoided."""
    name = contrasting_background(rng, avoided[0]) if avoided else pick(rng, BACKGROUNDS)
    return blank(jitter(BACKGROUNDS[name], rng, 14))


def varied_colour(name: str, rng: np.random.Generator) -> Colour:
    """The world's colour of that name, slightly varied."""
    return jitter(COLOURS[name], rng, 16)


def coloured_shape(class_name: str) -> tuple[str, str]:
    """`red_circle` as colour and shape."""
    colour, _, shape = class_name.partition("_")
    return colour, shape


def random_colour(rng: np.random.Generator) -> str:
    """A colour name of the world."""
    return pick(rng, COLOURS)


def mostly_plain_surface(rng: np.random.Generator) -> str:
    """A surface, plain in two of three cases."""
    return "plain" if rng.random() < 2 / 3 else pick(rng, SURFACES[1:])
