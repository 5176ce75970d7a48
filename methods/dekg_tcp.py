"""DeKg around TCP: TCP with a second penalty on the dependence between the learned and the frozen class texts.

Li et al., "Divergence-enhanced Knowledge-guided Context Optimization for Visual-Language Prompt Tuning", ICLR 2025.
Official files: cnunlp/DeKg `trainers/DeKg_TCP.py`, `trainers/loss.py`. Text input, class tokens and frozen texts are
those of TCP. The loss is that of `dekg`, except that the rows of the learned texts W keep their lengths in HSIC, as in
the official code.
"""

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from datasets_registry import EvalProtocol
from methods import register_method
from methods._base.method_info import MethodInfo
from methods._base.recipe import PUBLISHED
from methods._parts.citations import DEKG_PAPER
from methods.dekg import hsic
from methods.tcp import RECIPE, TCP, TCPConfig


class DeKgTCPConfig(TCPConfig):
    """TCP's settings and the weights of both penalties."""

    weight: float = Field(8.0, ge=0, description="weight of the distance to frozen texts; 8, DeKg scripts/run.sh")
    divergence: float = Field(6.0, ge=0, description="weight of the dependence on frozen texts; 6, DeKg scripts/run.sh")


DEKG_TCP_RECIPE = RECIPE.model_copy(
    update={
        "source": "DeKg configs/trainers/DeKg_TCP/vit_b16_ep100_ctxv1.yaml; Adam's eps is TCP's, on whose code it is "
        "built; printed for base-to-new and few-shot",
        "name": PUBLISHED,
        "epochs": 100,
        "by_dataset": {},
    }
)


@register_method
class DeKgTCP(TCP):
    """TCP's loss plus the dependence between learned and frozen class texts."""

    config: DeKgTCPConfig

    info = MethodInfo(
        name="dekg_tcp",
        version=2,
        title="DeKg + TCP",
        family="text prompt",
        summary="TCP with a penalty on the dependence between learned and hand-written class texts.",
        paper="openreview:6wOmHdwCC4",
        code="cnunlp/DeKg",
        citation=DEKG_PAPER,
        config=DeKgTCPConfig,
        open_vocabulary=True,
        learns_text=True,
        tower_use=frozenset({"text_tokens"}),
        recipes={EvalProtocol.FEW_SHOT: DEKG_TCP_RECIPE, EvalProtocol.BASE_TO_NEW: DEKG_TCP_RECIPE},
    )

    def text_penalty(self, text: Tensor, frozen: Tensor, weight: float) -> Tensor:
        near = super().text_penalty(text, frozen, weight)
        return near + self.config.divergence * hsic(text, F.normalize(frozen, dim=-1))
