"""Spectrum Land Cover: aerial views of fields, water, roads and roofs."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
"""Contrast factor, applied to the painted image."""


def _spots(
    canvas: Array, rng: np.random.Generator, *, tones: int, count: int, outline: str, radius: tuple[float, float],
    colour: Colour, spread: float,
) -> None:  # fmt: skip
    """Paint `count` scattered figures in each of `tones` variations of a colour."""
    for _ in range(tones):
        places = rng.uniform(0, SIZE, (count, 2)).tolist()
        spots = [Figure(outline, x, y, float(rng.uniform(*radius)), float(rng.uniform(0, 90))) for x, y in places]
        paint(canvas, mask(*spots), jitter(colour, rng, spread))


def _across(rng: np.random.Generator, bend: float) -> NDArray[np.float64]:
    """Points of a line from edge to edge in a random direction, bent sideways by up to `bend` pixels."""
    along = np.linspace(-36, 36, 25)
    waves = bend * np.sin(along / rng.uniform(5, 8) + rng.uniform(0, 6))
    angle, offset = rng.uniform(0, np.pi), rng.uniform(-8, 8)
    cos, sin = np.cos(angle), np.sin(angle)
    side = waves + offset
    return np.stack([SIZE / 2 + cos * along - sin * side, SIZE / 2 + sin * along + cos * side], axis=1)


def _lake(canvas: Array, rng: np.random.Generator) -> None:
    x, y = rng.uniform(18, 30, 2).tolist()
    shore = Figure("blob", x, y, float(rng.uniform(17, 23)), float(rng.uniform(0, 360)))
    paint(canvas, mask(shore), jitter(WATER, rng, 12))


def _river(canvas: Array, rng: np.random.Generator) -> None:
    paint(canvas, polyline_mask(_across(rng, 5), float(rng.uniform(7, 10))), jitter(WATER, rng, 12))


def _beach(canvas: Array, rng: np.random.Generator) -> None:
    angle = float(rng.uniform(0, 360))
    for distance, colour in ((38, LIGHT), (40, jitter(WATER, rng, 12))):
        x, y = (24 + distance * part(np.radians(angle)) for part in (np.cos, np.sin))
        paint(canvas, mask(Figure("square", x, y, 48, angle)), colour)


def _farmland(canvas: Array, rng: np.random.Generator) -> None:
    turn = float(rng.uniform(0, 90))
    for number in range(5):
        x, y = rng.uniform(0, SIZE, 2).tolist()
        field = Figure("bar", x, y, float(rng.uniform(10, 18)), turn + 90 * (number % 2))
        paint(canvas, mask(field), jitter((SOIL, WOOD, SAND)[number % 3], rng, 20))


def _plants(canvas: Array, rng: np.random.Generator, *, kind: str, period: tuple[float, float], turn: float) -> None:
    plants = surface(kind, rng, period=float(rng.uniform(*period)), rotation=float(rng.uniform(0, turn)))
    paint(canvas, plants, jitter(WOOD, rng, 15))


def _motorway(canvas: Array, rng: np.random.Generator) -> None:
    road = _across(rng, 0)
    paint(canvas, polyline_mask(road, float(rng.uniform(9, 12))), jitter(ASPHALT, rng, 12))
    paint(canvas, polyline_mask(road, 1), LIGHT)


def _crossroads(canvas: Array, rng: np.random.Generator) -> None:
    x, y = rng.uniform(18, 30, 2).tolist()
    turn = float(rng.uniform(0, 90))
    roads = [Figure("line", x, y, 48, turn + quarter) for quarter in (0.0, 90.0)]
    paint(canvas, mask(*roads), jitter(ASPHALT, rng, 12))


def _car_park(canvas: Array, rng: np.random.Generator) -> None:
    turn = float(rng.uniform(0, 90))
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    places = [(5.0 * place, 8.0 * row) for row in range(-4, 5) for place in range(-6, 7)]
    cars = [Figure("bar", 24 + cos * u - sin * v, 24 + sin * u + cos * v, 2.2, turn + 90) for u, v in places]
    paints = rng.integers(0, 6, len(cars)).tolist()
    for paintwork in range(4):  # the other two values are empty spaces
        of_paintwork = [car for car, chosen in zip(cars, paints, strict=True) if chosen == paintwork]
        paint(canvas, mask(*of_paintwork), jitter((150, 150, 155), rng, 90))


def _tanks(canvas: Array, rng: np.random.Generator) -> None:
    radius = float(rng.uniform(6, 9))
    for x, y in ((13, 13), (35, 13), (13, 35), (35, 35)):
        if rng.random() < 0.85:
            paint(canvas, mask(Figure("circle", x, y, radius)), jitter(LIGHT, rng, 10))
            paint(canvas, mask(Figure("circle", x, y, radius * 0.8)), jitter((200, 200, 200), rng, 10))


def _glacier(canvas: Array, rng: np.random.Generator) -> None:
    for _ in range(4):
        paint(canvas, polyline_mask(_across(rng, 2), 1), (150, 180, 205))


_forest = partial(_spots, tones=5, count=9, outline="circle", radius=(2, 4), colour=WOOD, spread=22)
_village = partial(_spots, tones=4, count=4, outline="bar", radius=(4, 6), colour=ROOF, spread=20)
_vineyard = partial(_plants, kind="striped", period=(4, 6), turn=180)
_orchard = partial(_plants, kind="dotted", period=(6, 8), turn=90)

COVERS: dict[str, tuple[Colour, float, Callable[[Array, np.random.Generator], None] | None]] = {
    "green_meadow": (GRASS, 0.35, None),
    "black_forest": (WOOD, 0.5, _forest),
    "blue_lake": (GRASS, 0.25, _lake),
    "blue_river": (GRASS, 0.25, _river),
    "yellow_beach": (SAND, 0.15, _beach),
    "brown_farmland": (SOIL, 0.25, _farmland),
    "striped_vineyard": (SOIL, 0.25, _vineyard),
    "dotted_orchard": (GRASS, 0.15, _orchard),
    "gray_motorway": (GRASS, 0.25, _motorway),
    "gray_crossroads": (GRASS, 0.25, _crossroads),
    "red_village": (GRASS, 0.25, _village),
    "car_park": (ASPHALT, 0.15, _car_park),
    "four_circle_tanks": (ASPHALT, 0.15, _tanks),
    "white_glacier": ((235, 240, 245), 0.3, _glacier),
}
"""Colour of the ground, strength of its darker patches (0 to 1), and the function that paints on it."""


@synthetic_dataset(
    "spectrum_landcover",
    title="Spectrum Land Cover",
    summary="Aerial views of land cover: there are no figures on a background, and few names contain known words.",
    domain="satellite views",
    class_names=tuple(COVERS),
    parameters={"haze": HAZE},
)
def spectrum_landcover(label: int, rng: np.random.Generator) -> Image.Image:
    """The land cover of the class with pixel noise."""
    ground, unevenness, paint_cover = tuple(COVERS.values())[label]
    canvas = blank(jitter(ground, rng, 12))
    canvas *= 1 - np.float32(unevenness) * smooth_noise(rng, 7)[..., None]
    if paint_cover is not None:
        paint_cover(canvas, rng)
    add_noise(canvas, rng, 6)
    return to_image(canvas, contrast=HAZE)
