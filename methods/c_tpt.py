"""C-TPT: TPT that also spreads the class texts, since spread texts give calibrated predictions.

Yoon et al., "C-TPT: Calibrated Test-Time Prompt Tuning for Vision-Language Models via Text Feature Dispersion",
ICLR 2024. Official files: hee-suk-yoon/C-TPT `tpt_classification.py`, `clip/custom_clip.py` and `scripts/`. The loss is
that of TPT minus `dispersion` times the mean distance of the normalised class texts to their mean.

The official README runs ImageNet and the fine-grained datasets with one script, and ImageNet's variants with another.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import EvalProtocol
from methods import MethodInfo, register_method
from methods._parts.feature_methods import IMAGENET_SHIFTS
from methods.tpt import TPT, TPTConfig

_BY_DATASET = {"imagenet": {"augmix": False}} | {name: {"dispersion": 20.0} for name in sorted(IMAGENET_SHIFTS)}
"""On ImageNet, scripts/test_tpt_ctpt_fg.sh mixes no crops; test_tpt_ctpt_ds.sh has a weight of its own."""


class CTPTConfig(TPTConfig):
    """The settings of TPT and the weight of the dispersion."""

    augmix: bool = Field(
        True,
        description="whether crops are mixed with distorted copies of themselves; yes, except on ImageNet (official "
        "tpt_classification.py; `--I_augmix` for its variants)",
    )
    dispersion: float = Field(
        50.0, ge=0, description="weight of the dispersion; 20 on ImageNet's variants, else 50 (lambda_term)"
    )


@register_method
class CTPT(TPT[CTPTConfig]):
    """A separate prompt for each test image, with spread class texts."""

    info = MethodInfo(
        name="c_tpt",
        title="C-TPT",
        family="test-time",
        summary="As TPT, and the step also spreads the class texts, for calibrated predictions.",
        paper="2403.14119",
        code="hee-suk-yoon/C-TPT",
        citation="""@inproceedings{yoon2024ctpt,
  title = {C-TPT: Calibrated Test-Time Prompt Tuning for Vision-Language Models via Text Feature Dispersion},
  author = {Yoon, Hee Suk and Yoon, Eunseop and Tee, Joshua Tian Jin and others},
  booktitle = {ICLR},
  year = {2024}
}""",
        config=CTPTConfig,
        config_by_protocol={EvalProtocol.TEST_TIME: {"by_dataset": _BY_DATASET}},
        open_vocabulary=True,
        learns_text=True,
        needs=frozenset({"features", "test_views", "test_stream"}),
    )

    def loss(self, logits: Float[Tensor, "n_views n_cls"], text: Float[Tensor, "n_cls dim"]) -> Tensor:
        rows = F.normalize(text, dim=-1)
        spread: Tensor = torch.linalg.vector_norm(rows - rows.mean(dim=0), dim=-1).mean()
        return super().loss(logits, text) - self.config.dispersion * spread
