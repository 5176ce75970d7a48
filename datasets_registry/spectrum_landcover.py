"""Spectrum Land Cover: aerial views of fields, water, roads and roofs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datasets_registry._catalogue import register_dataset
from datasets_registry._synthetic.drawing import (
    SIZE,
    Array,
    Colour,
    Figure,
    add_noise,
    blank,
    jitter,
    mask,
    paint,
    polyline_mask,
    smooth_noise,
    surface,
    to_image,
)
from datasets_registry._synthetic.suite import synthetic_dataset

GRASS: Colour = (100, 155, 75)
WOOD: Colour = (40, 80, 45)
SOIL: Colour = (140, 105, 75)
SAND: Colour = (230, 205, 110)
WATER: Colour = (45, 85, 165)
ASPHALT: Colour = (95, 95, 100)
ROOF: Colour = (190, 65, 50)
LIGHT: Colour = (225, 225, 220)
HAZE = 1.0
"""Contrast after the drawing."""


def _land(colour: Colour, rng: np.random.Generator, unevenness: float = 0.25) -> Array:
    """Ground of one colour with smooth, darker patches."""
    canvas = blank(jitter(colour, rng, 12))
    canvas *= 1 - np.float32(unevenness) * smooth_noise(rng, 7)[..., None]
    return canvas


def _spots(count: int, rng: np.random.Generator, outline: str, radius: tuple[float, float]) -> list[Figure]:
    places = rng.uniform(0, SIZE, (count, 2)).tolist()
    return [Figure(outline, x, y, float(rng.uniform(*radius)), float(rng.uniform(0, 90))) for x, y in places]


def _across(rng: np.random.Generator, bend: float) -> NDArray[np.float64]:
    """Points of a line from edge to edge in a random direction, bent sideways by up to `bend` pixels."""
    along = np.linspace(-36, 36, 25)
    waves = bend * np.sin(along / rng.uniform(5, 8) + rng.uniform(0, 6))
    angle, offset = rng.uniform(0, np.pi), rng.uniform(-8, 8)
    cos, sin = np.cos(angle), np.sin(angle)
    side = waves + offset
    return np.stack([SIZE / 2 + cos * along - sin * side, SIZE / 2 + sin * along + cos * side], axis=1)


def _meadow(rng: np.random.Generator) -> Array:
    return _land(GRASS, rng, 0.35)


def _forest(rng: np.random.Generator) -> Array:
    canvas = _land(WOOD, rng, 0.5)
    for _ in range(5):
        paint(canvas, mask(*_spots(9, rng, "circle", (2, 4))), jitter(WOOD, rng, 22))
    return canvas


def _lake(rng: np.random.Generator) -> Array:
    canvas = _land(GRASS, rng)
    x, y = rng.uniform(18, 30, 2).tolist()
    shore = Figure("blob", x, y, float(rng.uniform(17, 23)), float(rng.uniform(0, 360)))
    paint(canvas, mask(shore), jitter(WATER, rng, 12))
    return canvas


def _river(rng: np.random.Generator) -> Array:
    canvas = _land(GRASS, rng)
    paint(canvas, polyline_mask(_across(rng, 5), float(rng.uniform(7, 10))), jitter(WATER, rng, 12))
    return canvas


def _beach(rng: np.random.Generator) -> Array:
    canvas = _land(SAND, rng, 0.15)
    angle = float(rng.uniform(0, 360))
    far = Figure("square", 24 + 38 * np.cos(np.radians(angle)), 24 + 38 * np.sin(np.radians(angle)), 48, angle)
    paint(canvas, mask(far), LIGHT)
    sea = Figure("square", 24 + 40 * np.cos(np.radians(angle)), 24 + 40 * np.sin(np.radians(angle)), 48, angle)
    paint(canvas, mask(sea), jitter(WATER, rng, 12))
    return canvas


def _farmland(rng: np.random.Generator) -> Array:
    canvas = _land(SOIL, rng)
    turn = float(rng.uniform(0, 90))
    for number in range(5):
        x, y = rng.uniform(0, SIZE, 2).tolist()
        field = Figure("bar", x, y, float(rng.uniform(10, 18)), turn + 90 * (number % 2))
        paint(canvas, mask(field), jitter((SOIL, WOOD, SAND)[number % 3], rng, 20))
    return canvas


def _vineyard(rng: np.random.Generator) -> Array:
    canvas = _land(SOIL, rng)
    rows = surface("striped", rng, period=float(rng.uniform(4, 6)), rotation=float(rng.uniform(0, 180)))
    paint(canvas, rows, jitter(WOOD, rng, 15))
    return canvas


def _orchard(rng: np.random.Generator) -> Array:
    canvas = _land(GRASS, rng, 0.15)
    trees = surface("dotted", rng, period=float(rng.uniform(6, 8)), rotation=float(rng.uniform(0, 90)))
    paint(canvas, trees, jitter(WOOD, rng, 15))
    return canvas


def _motorway(rng: np.random.Generator) -> Array:
    canvas = _land(GRASS, rng)
    road = _across(rng, 0)
    paint(canvas, polyline_mask(road, float(rng.uniform(9, 12))), jitter(ASPHALT, rng, 12))
    paint(canvas, polyline_mask(road, 1), LIGHT)
    return canvas


def _crossroads(rng: np.random.Generator) -> Array:
    canvas = _land(GRASS, rng)
    x, y = rng.uniform(18, 30, 2).tolist()
    turn = float(rng.uniform(0, 90))
    roads = [Figure("line", x, y, 48, turn + quarter) for quarter in (0.0, 90.0)]
    paint(canvas, mask(*roads), jitter(ASPHALT, rng, 12))
    return canvas


def _village(rng: np.random.Generator) -> Array:
    canvas = _land(GRASS, rng)
    for _ in range(4):
        paint(canvas, mask(*_spots(4, rng, "bar", (4, 6))), jitter(ROOF, rng, 20))
    return canvas


def _car_park(rng: np.random.Generator) -> Array:
    canvas = _land(ASPHALT, rng, 0.15)
    turn = float(rng.uniform(0, 90))
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    places = [(5.0 * place, 8.0 * row) for row in range(-4, 5) for place in range(-6, 7)]
    cars = [Figure("bar", 24 + cos * u - sin * v, 24 + sin * u + cos * v, 2.2, turn + 90) for u, v in places]
    paints = rng.integers(0, 6, len(cars)).tolist()
    for paintwork in range(4):  # the other two values are empty spaces
        here = [car for car, chosen in zip(cars, paints, strict=True) if chosen == paintwork]
        paint(canvas, mask(*here), jitter((150, 150, 155), rng, 90))
    return canvas


def _tanks(rng: np.random.Generator) -> Array:
    canvas = _land(ASPHALT, rng, 0.15)
    radius = float(rng.uniform(6, 9))
    for x, y in ((13, 13), (35, 13), (13, 35), (35, 35)):
        if rng.random() < 0.85:
            paint(canvas, mask(Figure("circle", x, y, radius)), jitter(LIGHT, rng, 10))
            paint(canvas, mask(Figure("circle", x, y, radius * 0.8)), jitter((200, 200, 200), rng, 10))
    return canvas


def _glacier(rng: np.random.Generator) -> Array:
    canvas = _land((235, 240, 245), rng, 0.3)
    for _ in range(4):
        paint(canvas, polyline_mask(_across(rng, 2), 1), (150, 180, 205))
    return canvas


COVERS: dict[str, Callable[[np.random.Generator], Array]] = {
    "green_meadow": _meadow,
    "black_forest": _forest,
    "blue_lake": _lake,
    "blue_river": _river,
    "yellow_beach": _beach,
    "brown_farmland": _farmland,
    "striped_vineyard": _vineyard,
    "dotted_orchard": _orchard,
    "gray_motorway": _motorway,
    "gray_crossroads": _crossroads,
    "red_village": _village,
    "car_park": _car_park,
    "four_circle_tanks": _tanks,
    "white_glacier": _glacier,
}


def draw(label: int, rng: np.random.Generator) -> Image.Image:
    """The land cover of the class with pixel noise."""
    canvas = tuple(COVERS.values())[label](rng)
    add_noise(canvas, rng, 6)
    return to_image(canvas, contrast=HAZE)


register_dataset(
    synthetic_dataset(
        "spectrum_landcover",
        title="Spectrum Land Cover",
        summary="Aerial views of land cover: there are no figures on a background, and few names hold known words.",
        domain="satellite views",
        class_names=tuple(COVERS),
        painter=draw,
        parameters={"haze": HAZE},
    )
)
