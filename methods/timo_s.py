"""TIMO-S: TIMO with a search for how strongly images and texts guide one another.

Li et al., AAAI 2025 (see `timo`). Official files: lyymuwu/TIMO `models.py`, `utils.py`. The search has two parts. The
first chooses gamma, from 5 to 100 in steps of 5, by the accuracy of the weighted texts alone. The second chooses alpha
and beta together, with ten values of beta from 1 to twice the texts of a class. The published search used the full
validation split (for ImageNet the test images); here it uses the few validation images.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field

from methods import MethodInfo, register_method
from methods.timo import TIMO, TIMOConfig

SEARCHED_GAMMAS = tuple(float(gamma) for gamma in range(5, 101, 5))
"""Official code."""


class TIMOSConfig(TIMOConfig):
    """Numbers of the mutual guidance, and their search."""

    selection: Literal["validation", "fixed", "ensemble", "oracle"] = Field(
        "validation",
        description="gamma, beta and alpha searched on the few validation images, as they are, all beta and alpha "
        "averaged, or the best of these on test",
    )
    steps: int = Field(10, ge=1, description="values of beta that are searched; n_quick_search 10, official code")


@register_method
class TIMOS(TIMO):
    """`alpha f t' + W f + b`, with all three numbers searched."""

    config: TIMOSConfig

    info = MethodInfo(
        name="timo_s",
        title="TIMO-S",
        family="classifier",
        summary="TIMO with a search for how strongly images and texts guide one another.",
        paper="2412.11375",
        code="lyymuwu/TIMO",
        uses=("outside texts",),
        citation=TIMO.info.citation,
        config=TIMOSConfig,
        open_vocabulary=False,
        config_by_protocol=TIMO.info.config_by_protocol,
    )

    def searched_gammas(self) -> Sequence[float]:
        return SEARCHED_GAMMAS

    def searched_joining(self, setting: Sequence[int]) -> Sequence[int]:
        evenly = torch.linspace(1, 2 * self.texts.shape[1], self.config.steps)
        return tuple(dict.fromkeys(int(value) for value in evenly))
