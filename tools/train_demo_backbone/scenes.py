"""The world that the demo backbone was trained on: captioned images of simple figures, each a function of an index.

A scene has one to four equal figures of one shape, colour and surface on a plain background. Captions have several
forms, omit attributes at random, and always name the shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from datasets_registry._synthetic.drawing import (
    SIZE,
    SURFACES,
    Figure,
    add_noise,
    blank,
    generator,
    jitter,
    mask,
    paint,
    surface,
    to_image,
)
from datasets_registry._synthetic.suite import (
    BACKGROUNDS,
    COLOURS,
    PLACES,
    SHAPES,
    contrasting_background,
    pick,
    plural_of_shape,
    second_tone,
)

WORLD_VERSION = 1
SIZES: dict[str, tuple[float, float]] = {"small": (6.0, 8.0), "medium": (10.0, 13.0), "large": (16.0, 20.0)}
"""Radius of a single figure, in pixels."""
COUNTS = ("one", "two", "three", "four")
TEMPLATES = (
    "a photo of a {}.", "a photo of a {}.", "a photo of a {}.", "a drawing of a {}.", "a picture of a {}.", "a {}.",
    "{}", "this is a {}.",
)  # fmt: skip
PLURAL_TEMPLATES = ("a photo of {}.", "a photo of {}.", "a drawing of {}.", "a picture of {}.", "{}")


@dataclass(frozen=True, slots=True)
class Scene:
    """The attributes of an image, in the words of its captions."""

    shape: str
    colour: str
    surface: str
    background: str
    size: str
    count: int
    place: str

    def mirrored(self) -> Scene:
        """The scene of the mirrored image."""
        swap = {"on the left": "on the right", "on the right": "on the left"}
        return replace(self, place=swap.get(self.place, self.place))


def random_scene(rng: np.random.Generator) -> Scene:
    """A scene with every attribute drawn independently; a single figure with probability 3/4."""
    colour = pick(rng, COLOURS)
    alone = rng.random() < 0.75
    plain = rng.random() < 0.45
    return Scene(
        shape=pick(rng, SHAPES),
        colour=colour,
        surface="plain" if plain else pick(rng, SURFACES[1:]),
        background=contrasting_background(rng, colour),
        size=("small", "medium", "large")[int(rng.choice(3, p=(0.2, 0.4, 0.4)))] if alone else "small",
        count=1 if alone else int(rng.integers(2, 5)),
        place=pick(rng, tuple(PLACES)) if alone else "in the middle",
    )


def figures(scene: Scene, rng: np.random.Generator) -> list[Figure]:
    """The scene's figures with position, size and rotation."""
    rotation, stretch = float(rng.uniform(-20, 20)), float(rng.uniform(0.85, 1.18))
    if scene.count == 1:
        radius = float(rng.uniform(*SIZES[scene.size]))
        room = SIZE / 2 - radius
        across, down = PLACES[scene.place]
        x = SIZE / 2 + room * (across * float(rng.uniform(0.6, 1)) + (across == 0) * float(rng.uniform(-0.25, 0.25)))
        y = SIZE / 2 + room * (down * float(rng.uniform(0.6, 1)) + (down == 0) * float(rng.uniform(-0.25, 0.25)))
        return [Figure(scene.shape, x, y, radius, rotation, stretch)]
    cells = rng.permutation(4)[: scene.count]
    radius = float(rng.uniform(7, 10))
    found: list[Figure] = []
    for cell in cells.tolist():
        x = SIZE * (0.25 + 0.5 * (cell % 2)) + float(rng.uniform(-2, 2))
        y = SIZE * (0.25 + 0.5 * (cell // 2)) + float(rng.uniform(-2, 2))
        found.append(Figure(scene.shape, x, y, radius, rotation, stretch))
    return found


def paint_scene(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """The image of a scene."""
    canvas = blank(jitter(BACKGROUNDS[scene.background], rng, 14))
    period, rotation = float(rng.uniform(4.5, 7)), float(rng.uniform(0, 180))
    tone = surface(scene.surface, rng, period=period, rotation=rotation)
    cover = mask(*figures(scene, rng))
    ink = jitter(COLOURS[scene.colour], rng, 16)
    paint(canvas, cover, ink, second_tone(ink, rng), tone)
    add_noise(canvas, rng, float(rng.uniform(1, 7)))
    return to_image(canvas, blur=float(rng.uniform(0.2, 0.6)) if rng.random() < 0.3 else 0.0)


def scene_caption(scene: Scene, rng: np.random.Generator) -> str:
    """A true caption of the scene; it names the shape, and each further attribute with a fixed probability."""
    keep = rng.random(5) < (0.25, 0.4, 0.7, 0.25, 0.25)
    words = [scene.size] if keep[0] and scene.count == 1 else []
    words += [scene.surface] if keep[1] else []
    words += [scene.colour] if keep[2] else []
    several = scene.count > 1 and rng.random() < 0.75
    text = " ".join([*words, plural_of_shape(scene.shape) if scene.count > 1 else scene.shape])
    if keep[3]:
        text += f" on a {scene.background} background"
    elif keep[4] and scene.count == 1:
        text += f" {scene.place}"
    if several:
        text = f"{COUNTS[scene.count - 1]} {text}"
    return pick(rng, PLURAL_TEMPLATES if scene.count > 1 else TEMPLATES).replace("{}", text)


def world_scene(index: int) -> Scene:
    """The scene of image `index`."""
    return random_scene(generator("world", WORLD_VERSION, "scene", index))


def world_image(index: int) -> Image.Image:
    """Image `index` of the world."""
    return paint_scene(world_scene(index), generator("world", WORLD_VERSION, "image", index))


def world_caption(index: int, variant: int = 0, *, mirrored: bool = False) -> str:
    """Caption number `variant` of image `index`, or of its mirror image."""
    scene = world_scene(index)
    rng = generator("world", WORLD_VERSION, "caption", index, variant)
    return scene_caption(scene.mirrored() if mirrored else scene, rng)
