"""Spectrum: one adjustable shift, from the backbone's training world to unrecognisable images."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from PIL import Image

from datasets_registry._catalogue import register_dataset
from datasets_registry._errors import BenchError
from datasets_registry._synthetic.drawing import add_noise, to_image
from datasets_registry._synthetic.suite import COLOURED_SHAPES, add_figures, background, centred_figure, synthetic_info
from datasets_registry._types import DatasetInfo
from datasets_registry.spectrum_clutter import paint_scrap

DEFAULT_SHIFT = 0.5
MOST_SCRAPS = 14
MOST_BLUR = 4.0
MOST_NOISE = 60.0
LEAST_CONTRAST = 0.06
LEAST_SATURATION = 0.05


def degraded_figure(label: int, rng: np.random.Generator, *, shift: float) -> Image.Image:
    """The class's figure, with every degradation at `shift` of its full strength.

    Random numbers are drawn in the same order at every setting, so a key is the same scene at every shift.
    """
    colour, _, shape = COLOURED_SHAPES[label].partition("_")
    canvas = background(rng, colour)
    add_figures(canvas, rng, colour, centred_figure(shape, rng))
    add_noise(canvas, rng, 4 + MOST_NOISE * shift)
    for _ in range(round(MOST_SCRAPS * shift)):
        paint_scrap(canvas, rng, (2.0, 2.0 + 5.0 * shift))
    grey = canvas.mean(axis=2, keepdims=True)
    canvas = grey + np.float32(1 - (1 - LEAST_SATURATION) * shift) * (canvas - grey)
    return to_image(canvas, blur=MOST_BLUR * shift, contrast=1 - (1 - LEAST_CONTRAST) * shift)


def at_shift(shift: float) -> DatasetInfo:
    """The dataset at one shift."""
    info = synthetic_info(
        "spectrum",
        partial(degraded_figure, shift=shift),
        title=f"Spectrum, shift {shift:g}",
        summary="Coloured figures behind clutter, noise, blur and haze that all grow with the shift.",
        domain="synthetic figures",
        class_names=COLOURED_SHAPES,
        parameters={"shift": shift},
    )
    return replace(info, options={}, with_options=None)


def with_options(options: Mapping[str, str]) -> DatasetInfo:
    """The dataset with these options. Raises BenchError for a shift that is not a number from 0 to 1."""
    text = options.get("shift", str(DEFAULT_SHIFT))
    try:
        shift = float(text)
    except ValueError:
        shift = math.nan
    if not 0 <= shift <= 1:
        raise BenchError(f"Option shift={text!r} of dataset 'spectrum' must be a number from 0 to 1, such as 0.25.")
    return at_shift(shift)


register_dataset(
    replace(
        at_shift(DEFAULT_SHIFT),
        title="Spectrum",
        options={"shift": f"0 (the backbone's training world) to 1 (nothing recognisable); default {DEFAULT_SHIFT}"},
        with_options=with_options,
    )
)
