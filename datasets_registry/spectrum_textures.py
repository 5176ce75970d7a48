"""Spectrum Textures: swatches of coloured surfaces, larger than any figure of the training world."""

import numpy as np
from PIL import Image

from datasets_registry._synthetic.drawing import SURFACES, Figure, mask, paint, surface
from datasets_registry._synthetic.suite import background, noisy_image, second_tone, synthetic_dataset, varied_colour

KINDS = SURFACES[1:]
TONES = ("red", "green", "blue", "yellow", "purple")
PERIOD = (4.5, 7.0)
"""Period of the pattern, in pixels."""
RADIUS = (17.0, 22.0)
"""Size of the patch, in pixels."""

CLASS_NAMES = tuple(f"{kind}_{tone}" for kind in KINDS for tone in TONES)


@synthetic_dataset(
    "spectrum_textures",
    summary="Large swatches that differ by surface as much as by colour: the backbone knows surfaces least.",
    domain="textures",
    class_names=CLASS_NAMES,
    template="a photo of a {} square.",
    parameters={"period": list(PERIOD), "radius": list(RADIUS)},
)
def spectrum_textures(label: int, rng: np.random.Generator) -> Image.Image:
    """The class's surface on a patch that nearly fills the image."""
    kind, _, name = CLASS_NAMES[label].partition("_")
    first = varied_colour(name, rng)
    canvas = background(rng, name)
    patch = Figure("square", 24, 24, float(rng.uniform(*RADIUS)), float(rng.uniform(-20, 20)))
    tone = surface(kind, rng, period=float(rng.uniform(*PERIOD)), rotation=float(rng.uniform(0, 180)))
    paint(canvas, mask(patch), first, second_tone(first, rng), tone)
    return noisy_image(canvas, rng, 5)
