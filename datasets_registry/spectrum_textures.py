"""Spectrum Textures: a coloured surface fills the picture; there is no figure that the surface belongs to."""

from __future__ import annotations

import numpy as np
from PIL import Image

from datasets_registry._drawing import SURFACES, blank, finished, grain, paint, surface
from datasets_registry._drawn_suite import drawn_dataset, ink
from datasets_registry._drawn_world import second_tone
from datasets_registry._registry import register_dataset

KINDS = SURFACES[1:]
TONES = ("red", "green", "blue", "yellow", "purple")
PERIOD = (4.5, 7.0)
"""Of the pattern, in pixels."""

CLASS_NAMES = tuple(f"{kind}_{tone}" for kind in KINDS for tone in TONES)


def draw(label: int, rng: np.random.Generator) -> Image.Image:
    """The class's surface from edge to edge."""
    kind, _, name = CLASS_NAMES[label].partition("_")
    first = ink(name, rng)
    canvas = blank(first)
    tone = surface(kind, rng, period=float(rng.uniform(*PERIOD)), turn=float(rng.uniform(0, 180)))
    paint(canvas, np.ones_like(tone), first, second_tone(first, rng), tone)
    grain(canvas, rng, 5)
    return finished(canvas)


register_dataset(
    drawn_dataset(
        "spectrum_textures",
        title="Spectrum Textures",
        summary="Coloured surfaces from edge to edge: the backbone only ever saw surfaces on a figure.",
        domain="textures",
        class_names=CLASS_NAMES,
        template="a photo of a {}.",
        painter=draw,
        parameters={"period": list(PERIOD)},
    )
)
