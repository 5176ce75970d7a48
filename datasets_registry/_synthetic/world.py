"""Shapes, colours and places that the synthetic datasets share with the training world of the demo backbone.

`tools.train_demo_backbone.scenes` paints and captions that world.
"""

import numpy as np

from datasets_registry._synthetic.drawing import Colour

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


def plural(shape: str) -> str:
    """The plural of a shape's name."""
    return f"{shape}es" if shape == "cross" else f"{shape}s"
