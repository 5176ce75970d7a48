"""CLAP: a linear probe that starts from the class texts and is penalised, class by class, for moving away from them.

Silva-Rodriguez et al., CVPR 2024 (see `zs_lp`). Official file: jusiro/CLAP `trainers/adapters.py`, CONSTRAINT=l2:

    loss = CE + mean_c alpha_c ||w_c - t_c||^2          alpha_c: mean zero-shot probability of c on its own images

Features are *unnormalised* and alpha is fixed. Class names keep their underscores. On ImageNet, as published, the texts
are `select7` and the dataset's own template together. The official code samples each epoch from a pool of 20 augmented
passes; here the same 20 views are cycled, so that each epoch shows every image once. As published, there is no
validation, and only the texts differ by dataset. The `adaptative` outer step is left out.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, MethodInfo, SupportView, cosine_logits, register_method
from methods._base.batch import support_without_images
from methods._parts.citations import CLAP_PAPER
from methods._parts.feature_methods import (
    EIGHT_TEXTS_ON_IMAGENET,
    POOLED_VIEWS_RECIPE,
    PrototypeConfig,
    PrototypeMethod,
)


class CLAPConfig(PrototypeConfig):
    """The augmented views that alpha is computed from."""

    views: int = Field(20, ge=1, description="augmented views that alpha is computed from; the 20 of training")
    crop_scale: tuple[float, float] = Field((0.08, 1.0), description="area range of their crops; Dassl's default")


@register_method
class CLAP(PrototypeMethod[CLAPConfig]):
    """`scale * cos(f, w)` with w kept near the class texts."""

    info = MethodInfo(
        name="clap",
        title="CLAP",
        family="classifier",
        summary="A cosine classifier kept near the class texts, more strongly where zero-shot is better.",
        paper="2312.12730",
        code="jusiro/CLAP",
        citation=CLAP_PAPER,
        config=CLAPConfig,
        open_vocabulary=False,
        recipes={EvalProtocol.FEW_SHOT: POOLED_VIEWS_RECIPE},
        config_by_protocol={EvalProtocol.FEW_SHOT: {"by_dataset": EIGHT_TEXTS_ON_IMAGENET}},
        starts_as_zero_shot={},
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        views = support.views(self.config.views, self.config.crop_scale)
        scale = self.backbone.logit_scale
        probability = torch.stack([cosine_logits(view, self.base, scale).softmax(dim=1) for view in views]).mean(dim=0)
        true_class = probability.gather(1, support.labels[:, None])[:, 0]
        members = F.one_hot(support.labels, len(support.classes)).to(true_class.dtype)
        self.alpha = true_class @ members / members.sum(dim=0)

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        # alpha needs the images and is used in training only
        PrototypeMethod.prepare(self, support_without_images(self.info.name, classes, self.backbone.device))
        self.trainable.load_state_dict(state)

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        distance = (self.vectors - self.base).square().sum(dim=-1)
        penalty = (self.alpha * distance).mean(dim=-1)
        return super().loss(batch) + penalty
