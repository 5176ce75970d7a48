"""Deterministic images: counter-based generators, figures, surfaces, and the image source that uses them.

Every image is a pure function of its dataset, key and parameters. No random generator is shared or global, so the order
of painting and the number of processes never change a pixel.
"""

import hashlib
import json
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from datasets_registry._errors import DataError

DRAWING_VERSION = 1
"""Increment this with every change of a pixel. It is part of every digest, and a test checks the pixels."""

SIZE = 48
"""Side of an image in pixels."""

OVERSAMPLE = 4
"""Figures are rasterised at SIZE x OVERSAMPLE and averaged down for smooth edges."""

Array: TypeAlias = NDArray[np.float32]
Colour: TypeAlias = tuple[float, float, float]

_RECENT_IMAGES = 512


def generator(*parts: object) -> np.random.Generator:
    """A Philox generator keyed by the SHA-256 of plain values: equal parts give the same stream on every machine."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return np.random.Generator(np.random.Philox(key=int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")))


# ---------------------------------------------------------------------------------------------------------------------
# Figures: closed outlines in the unit square [-1, 1]², y pointing down.


def _polar(radius: Callable[[float], float], points: int = 40) -> list[tuple[float, float]]:
    angles = [2 * math.pi * i / points - math.pi / 2 for i in range(points)]
    return [(radius(a) * math.cos(a), radius(a) * math.sin(a)) for a in angles]


def _star(spikes: int, inner: float) -> list[tuple[float, float]]:
    corners = [(1.0 if i % 2 == 0 else inner, math.pi * i / spikes - math.pi / 2) for i in range(2 * spikes)]
    return [(r * math.cos(a), r * math.sin(a)) for r, a in corners]


def _heart() -> list[tuple[float, float]]:
    turns = [2 * math.pi * i / 40 for i in range(40)]
    return [
        (
            16 * math.sin(t) ** 3 / 17,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t) + 2.5) / 16,
        )
        for t in turns
    ]


def _moon() -> list[tuple[float, float]]:
    """A crescent: an outer arc of the unit circle, closed by an arc of a circle shifted to the right."""
    outer = [math.pi / 2 - 0.35 + (math.pi + 0.7) * i / 24 for i in range(25)]
    tip_x, tip_y = math.cos(outer[0]), math.sin(outer[0])
    radius = math.hypot(tip_x - 0.62, tip_y)
    start = math.atan2(-tip_y, tip_x - 0.62)
    inner = [start - (2 * math.pi + 2 * start) * i / 24 for i in range(1, 24)]
    crescent = [(math.cos(a), math.sin(a)) for a in outer]
    crescent += [(0.62 + radius * math.cos(a), radius * math.sin(a)) for a in inner]
    return [(x + 0.2, y) for x, y in crescent]


_CROSS = [(-0.32, -1), (0.32, -1), (0.32, -0.32), (1, -0.32), (1, 0.32), (0.32, 0.32),
          (0.32, 1), (-0.32, 1), (-0.32, 0.32), (-1, 0.32), (-1, -0.32), (-0.32, -0.32)]  # fmt: skip
_ARROW = [(0, -1), (0.85, -0.1), (0.32, -0.1), (0.32, 1), (-0.32, 1), (-0.32, -0.1), (-0.85, -0.1)]
_BOLT = [(0.3, -1), (-0.65, 0.15), (-0.05, 0.15), (-0.35, 1), (0.65, -0.25), (0.08, -0.25), (0.75, -1)]

Loop: TypeAlias = Sequence[tuple[float, float]]

_LOOPS: dict[str, list[Loop]] = {
    "circle": [_polar(lambda _: 0.92)],
    "square": [[(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]],
    "triangle": [[(0, -0.95), (0.95, 0.75), (-0.95, 0.75)]],
    "star": [_star(5, 0.42)],
    "cross": [_CROSS],
    "heart": [_heart()],
    "ring": [_polar(lambda _: 0.95), _polar(lambda _: 0.52)],
    "arrow": [_ARROW],
    "moon": [_moon()],
    "flower": [_polar(lambda a: 0.68 + 0.32 * math.cos(6 * a), points=60)],
    "diamond": [[(0, -1), (0.6, 0), (0, 1), (-0.6, 0)]],
    "bolt": [_BOLT],
    "line": [[(-1, -0.16), (1, -0.16), (1, 0.16), (-1, 0.16)]],
    "bar": [[(-1, -0.5), (1, -0.5), (1, 0.5), (-1, 0.5)]],
    "sixpointed": [_star(6, 0.58)],
    "pentagon": [_polar(lambda _: 0.97, points=5)],
    "hexagon": [_polar(lambda _: 0.95, points=6)],
    "blob": [_polar(lambda a: 0.75 + 0.13 * math.cos(2 * a + 1) + 0.1 * math.sin(3 * a), points=40)],
}
OUTLINES: Mapping[str, tuple[NDArray[np.float64], ...]] = {
    name: tuple(np.array(loop, dtype=np.float64) for loop in loops) for name, loops in _LOOPS.items()
}
"""Figures by name; loops after the first are holes."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure on the canvas.

    Args:
        shape: a name in `OUTLINES`.
        x: centre in pixels from the left; `y` is counted from the top.
        radius: half of the unit square's side, in pixels.
        rotation: clockwise rotation in degrees.
        stretch: ratio of width to height before the rotation; 1 leaves the outline unchanged.
    """

    shape: str
    x: float
    y: float
    radius: float
    rotation: float = 0.0
    stretch: float = 1.0

    def loops(self) -> list[NDArray[np.float64]]:
        """The outline's loops in oversampled pixel coordinates."""
        angle = math.radians(self.rotation)
        wide, high = math.sqrt(self.stretch), 1 / math.sqrt(self.stretch)
        cos, sin = math.cos(angle), math.sin(angle)
        matrix = np.array([[wide * cos, wide * sin], [-high * sin, high * cos]])
        scale = self.radius * OVERSAMPLE
        shift = np.array([self.x, self.y]) * OVERSAMPLE
        return [loop @ matrix * scale + shift for loop in OUTLINES[self.shape]]


def mask(*figures: Figure) -> Array:
    """Coverage (0..1) of every pixel by the figures."""
    plate = Image.new("L", (SIZE * OVERSAMPLE, SIZE * OVERSAMPLE))
    pen = ImageDraw.Draw(plate)
    for figure in figures:
        for number, loop in enumerate(figure.loops()):
            pen.polygon(loop.ravel().tolist(), fill=0 if number else 255)
    return _reduced(plate)


def polyline_mask(points: NDArray[np.float64], width: float) -> Array:
    """Coverage (0..1) of an open line through `points` (pixels, shape `(n, 2)`), `width` pixels wide."""
    plate = Image.new("L", (SIZE * OVERSAMPLE, SIZE * OVERSAMPLE))
    flat = (points * OVERSAMPLE).ravel().tolist()
    ImageDraw.Draw(plate).line(flat, fill=255, width=round(width * OVERSAMPLE), joint="curve")
    return _reduced(plate)


def _reduced(plate: Image.Image) -> Array:
    return np.asarray(plate.reduce(OVERSAMPLE), dtype=np.float32) / np.float32(255)


# ---------------------------------------------------------------------------------------------------------------------
# Surfaces: a number 0..1 per pixel, the share of the second tone.

_Y, _X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) + np.float32(0.5)
SURFACES = ("plain", "striped", "dotted", "checkered", "speckled")


def surface(kind: str, rng: np.random.Generator, *, period: float = 6.0, rotation: float = 0.0) -> Array:
    """The texture `kind`, one of `SURFACES`, over the whole canvas.

    Args:
        period: period of the pattern, in pixels.
        rotation: clockwise rotation of the pattern, in degrees.
    """
    angle = np.float32(math.radians(rotation))
    phase_u, phase_v = rng.random(2, dtype=np.float32)
    u = (np.cos(angle) * _X + np.sin(angle) * _Y) / np.float32(period) + phase_u
    v = (np.cos(angle) * _Y - np.sin(angle) * _X) / np.float32(period) + phase_v
    sharp = np.float32(period)
    if kind == "plain":
        return np.zeros((SIZE, SIZE), dtype=np.float32)
    if kind == "striped":
        return _step(_wave(u), sharp)
    if kind == "dotted":
        return _step(np.float32(0.3) - np.hypot(u - np.floor(u) - np.float32(0.5), v - np.floor(v) - np.float32(0.5)),
                     np.float32(2) * sharp)  # fmt: skip
    if kind == "checkered":
        return _step(_wave(u / 2) * _wave(v / 2), np.float32(2) * sharp)
    if kind == "speckled":
        return (rng.random((SIZE, SIZE), dtype=np.float32) < np.float32(0.4)).astype(np.float32)
    raise ValueError(f"Unknown surface {kind!r}.")


def smooth_noise(rng: np.random.Generator, cells: int) -> Array:
    """Smooth noise 0..1: random values on a `cells` x `cells` lattice, enlarged."""
    lattice = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
    return np.asarray(lattice.resize((SIZE, SIZE), Image.Resampling.BICUBIC), dtype=np.float32) / np.float32(255)


def _wave(t: Array) -> Array:
    wave: Array = np.sin(np.float32(2 * math.pi) * t)
    return wave


def _step(height: Array, sharp: np.float32) -> Array:
    """A soft threshold at zero, about one pixel wide."""
    share: Array = np.clip(height * sharp * np.float32(0.4) + np.float32(0.5), 0, 1)
    return share


# ---------------------------------------------------------------------------------------------------------------------
# Canvas: float32, shape (SIZE, SIZE, 3), values 0..255.


def blank(colour: Colour) -> Array:
    """A canvas of one colour."""
    return np.broadcast_to(np.array(colour, dtype=np.float32), (SIZE, SIZE, 3)).copy()


def paint(canvas: Array, cover: Array, colour: Colour, second: Colour | None = None, tone: Array | None = None) -> None:
    """Blend `colour` into the canvas with opacity `cover`; `tone` mixes in the colour `second`."""
    ink = np.array(colour, dtype=np.float32)
    layer = ink if second is None or tone is None else ink + tone[..., None] * (np.array(second, np.float32) - ink)
    canvas += cover[..., None] * (layer - canvas)


def jitter(colour: Colour, rng: np.random.Generator, amount: float) -> Colour:
    """The colour with every channel changed by at most `amount`."""
    r, g, b = (min(max(c + d, 0.0), 255.0) for c, d in zip(colour, rng.uniform(-amount, amount, 3), strict=True))
    return r, g, b


def add_noise(canvas: Array, rng: np.random.Generator, sigma: float) -> None:
    """Add Gaussian pixel noise."""
    canvas += rng.standard_normal((SIZE, SIZE, 1), dtype=np.float32) * np.float32(sigma)


def to_image(canvas: Array, *, blur: float = 0.0, contrast: float = 1.0) -> Image.Image:
    """The canvas as an RGB image, with Gaussian blur of `blur` pixels and contrast scaled about mid grey."""
    toned = (canvas - np.float32(128)) * np.float32(contrast) + np.float32(128)
    picture = Image.fromarray(np.clip(toned + np.float32(0.5), 0, 255).astype(np.uint8))
    return picture.filter(ImageFilter.GaussianBlur(blur)) if blur else picture


# ---------------------------------------------------------------------------------------------------------------------
# The source


Painter: TypeAlias = Callable[[int, np.random.Generator], Image.Image]
"""`painter(label, rng)` paints one image of the class; all randomness comes from the generator."""


@dataclass(frozen=True)
class SyntheticImages:
    """An `Images` source that paints the image of the key `label/index` on request.

    The generator depends only on version, dataset and key, so all settings of a dataset show the same scenes and differ
    only in the effect of the parameters.

    Args:
        dataset: the registry name, without options.
        parameters: all other values that the images depend on; part of every digest.
        painter: paints the images.
        num_classes: number of labels.
    """

    dataset: str
    parameters: Mapping[str, object]
    painter: Painter
    num_classes: int
    _recent: OrderedDict[str, Image.Image] = field(default_factory=OrderedDict, repr=False, compare=False)

    def load(self, key: str) -> Image.Image:
        """The image as RGB. Raises DataError for an unknown key."""
        label = self._label(key)
        picture = self._recent.pop(key, None) or self.painter(label, generator(DRAWING_VERSION, self.dataset, key))
        self._recent[key] = picture
        while len(self._recent) > _RECENT_IMAGES:
            self._recent.popitem(last=False)
        return picture.copy()

    def digest(self, key: str) -> str:
        """SHA-256 of drawing version, dataset, parameters and key, which determine the image. Paints nothing."""
        self._label(key)
        text = json.dumps([DRAWING_VERSION, self.dataset, dict(self.parameters), key], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _label(self, key: str) -> int:
        label, slash, index = key.partition("/")
        if not (slash and label.isdecimal() and index.isdecimal() and int(label) < self.num_classes):
            raise DataError(
                f"Key {key!r} names no image of {self.dataset!r}; "
                f"a key is 'label/index' with a label below {self.num_classes}."
            )
        return int(label)
