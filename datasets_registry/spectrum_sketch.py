"""Spectrum Sketch: shaky pen lines on paper, with a faint grey wash instead of a coloured fill."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datasets_registry._synthetic.drawing import OVERSAMPLE, blank, jitter, mask, paint, polyline_mask
from datasets_registry._synthetic.suite import SHAPES, centred_figure, noisy_image, synthetic_dataset

PEN = (1.2, 2.2)
"""Width of the line, in pixels."""
SHAKE = 0.8
"""Largest deviation from the outline, in pixels."""

WASH = 0.5
"""Opacity of the fill."""


def shaken(points: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """The points displaced by a slow wave, so that neighbouring points move together."""
    rate, phase = rng.uniform(0.12, 0.25, (2, 2)), rng.uniform(0, 2 * np.pi, 2)
    return points + SHAKE * np.sin(points @ rate + phase)


@synthetic_dataset(
    "spectrum_sketch",
    summary="Shaky pen outlines with a faint wash: the backbone only saw figures without an outline.",
    domain="line drawings",
    class_names=SHAPES,
    template="a drawing of a {}.",
    parameters={"pen": list(PEN), "shake": SHAKE, "wash": WASH},
)
def spectrum_sketch(label: int, rng: np.random.Generator) -> Image.Image:
    """The outline of the class's shape as a shaky pen line."""
    canvas = blank(jitter((240, 238, 230), rng, 8))
    pen = float(rng.uniform(*PEN))
    lead = jitter((60, 60, 70), rng, 30)
    figure = centred_figure(SHAPES[label], rng)
    paint(canvas, WASH * mask(figure), lead)
    for loop in figure.loops():
        corners = shaken(loop / OVERSAMPLE, rng)
        paint(canvas, polyline_mask(np.concatenate([corners, corners[:2]]), pen), lead)
    return noisy_image(canvas, rng, 5)
