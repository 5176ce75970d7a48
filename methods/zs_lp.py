"""ZS-LP: a cosine classifier that starts from the class texts and is trained without a penalty.

Silva-Rodriguez et al., "A Closer Look at the Few-Shot Adaptation of Large Vision-Language Models", CVPR 2024. Official
file: jusiro/CLAP `trainers/adapters.py`, INIT=ZS, CONSTRAINT=none. Prototypes start at unnormalised text features, and
class names keep their underscores. On ImageNet, as published, the texts are `select7` and the dataset's own template
together. The official code samples each epoch from a pool of 20 augmented passes; here the same 20 views are cycled, so
that each epoch shows every image once. As published, there is no validation and the last epoch is used.

`trained_share` below 1 is WiSE-FT (Wortsman et al., CVPR 2022): trained and initial weights are averaged at the end.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Classifier, MethodInfo, cosine_logits, register_method
from methods._parts.citations import CLAP_PAPER
from methods._parts.feature_methods import (
    EIGHT_TEXTS_ON_IMAGENET,
    POOLED_VIEWS_RECIPE,
    PrototypeConfig,
    PrototypeMethod,
)


class ZSLPConfig(PrototypeConfig):
    """The initial prototypes, and the share of trained weights at evaluation."""

    init: Literal["zero_shot", "random"] = Field(
        "zero_shot", description="class texts, or He-normal rows (the paper's plain probe, INIT=RANDOM)"
    )
    trained_share: float = Field(
        1.0, ge=0, le=1, description="share of the trained weights at evaluation; 1, below it WiSE-FT (0.5 there)"
    )


@register_method
class ZSLP(PrototypeMethod[ZSLPConfig]):
    """`scale * cos(f, w)` with w from the class texts."""

    info = MethodInfo(
        name="zs_lp",
        title="ZS-LP",
        family="classifier",
        summary="A cosine classifier on frozen features, trained from the class texts.",
        paper="2312.12730",
        code="jusiro/CLAP",
        citation=CLAP_PAPER,
        config=ZSLPConfig,
        open_vocabulary=False,
        recipes={EvalProtocol.FEW_SHOT: POOLED_VIEWS_RECIPE},
        config_by_protocol={EvalProtocol.FEW_SHOT: {"by_dataset": EIGHT_TEXTS_ON_IMAGENET}},
        starts_as_zero_shot={"init": "zero_shot"},
    )

    def initial_vectors(self) -> Float[Tensor, "n_cls dim"]:
        if self.config.init == "zero_shot":
            return self.base
        he_std = math.sqrt(2 / self.base.shape[1])
        return torch.randn(self.base.shape, generator=self.generator) * he_std

    def train_classifier(self) -> Classifier:
        return super().classifier(self.support_classes)

    def interpolated_parameters(self) -> tuple[()]:
        return ()  # `trained_share` already averages

    def classifier(self, classes: ClassSet) -> Classifier:
        self.check_classes(classes)
        share = self.config.trained_share
        rows = self.classifier_rows() if share == 1 else share * self.classifier_rows() + (1 - share) * self.base
        return lambda batch: cosine_logits(batch.features, rows, self.backbone.logit_scale)
