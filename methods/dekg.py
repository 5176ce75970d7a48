"""DeKg: KgCoOp with a second penalty on the dependence between the learned and the hand-written class texts.

Li et al., "Divergence-enhanced Knowledge-guided Context Optimization for Visual-Language Prompt Tuning", ICLR 2025.
Official files: cnunlp/DeKg `trainers/DeKg.py`, `trainers/loss.py`. With W the learned and T the frozen class texts, a
row per class, the loss is

    CE + weight * (1 - mean_c cos(w_c, t_c)) + divergence * HSIC(W, T)
    HSIC(W, T) = tr(H W W' H T T'),    H = I - 1/C for C classes

with unit rows, after which each matrix is divided by its Frobenius norm. The first penalty keeps each learned text near
its frozen one, the second (Hilbert-Schmidt independence criterion, linear kernels) lets the differences between
classes change. Class texts and context are those of KgCoOp. `dekg_tcp` is the same around TCP.
"""

import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import EvalProtocol
from methods import register_method
from methods._base.method_info import MethodInfo
from methods._parts.citations import DEKG_PAPER
from methods.kgcoop import RECIPE, KgCoOp, KgCoOpConfig


class DeKgConfig(KgCoOpConfig):
    """The context and the weights of both penalties."""

    weight: float = Field(8.0, ge=0, description="weight of the distance to frozen texts; 8, DeKg scripts/run.sh")
    divergence: float = Field(
        6.0, ge=0, description="weight of the dependence on frozen texts; 6, DeKg scripts/run.sh (README example: 2)"
    )


def hsic(w: Float[Tensor, "n_cls dim"], t: Float[Tensor, "n_cls dim"]) -> Float[Tensor, ""]:
    """`tr(H W W' H T T')` after division by the Frobenius norms, which is the squared norm of `T' H W`; 0..1."""
    w, t = w / w.norm(), t / t.norm()
    return (t.T @ (w - w.mean(dim=0))).square().sum()


DEKG_RECIPE = RECIPE.model_copy(
    update={"source": "DeKg configs/trainers/DeKg/vit_b16_ep100_ctxv1.yaml; printed for base-to-new and few-shot"}
)


@register_method
class DeKg(KgCoOp):
    """KgCoOp's loss plus the dependence between learned and frozen class texts."""

    config: DeKgConfig

    info = MethodInfo(
        name="dekg",
        title="DeKg",
        family="text prompt",
        summary="KgCoOp with a penalty on the dependence between learned and hand-written class texts.",
        paper="openreview:6wOmHdwCC4",
        code="cnunlp/DeKg",
        citation=DEKG_PAPER,
        config=DeKgConfig,
        open_vocabulary=True,
        learns_text=True,
        recipes={EvalProtocol.FEW_SHOT: DEKG_RECIPE, EvalProtocol.BASE_TO_NEW: DEKG_RECIPE},
        starts_as_zero_shot=KgCoOp.info.starts_as_zero_shot,
    )

    def text_penalty(self, text: Tensor, frozen: Tensor, weight: float) -> Tensor:
        near = super().text_penalty(text, frozen, weight)
        unit_rows = (F.normalize(each, dim=-1) for each in (text, frozen))
        return near + self.config.divergence * hsic(*unit_rows)
