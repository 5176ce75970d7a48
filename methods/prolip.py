"""ProLIP: the image tower's last projection, fine-tuned with a penalty on its distance from the initial one.

Fahes et al., "CLIP's Visual Embedding Projector is a Few-shot Cornucopia", arXiv 2410.05270. Official file:
astra-vision/ProLIP `methods/ProLIP.py`:

    logits = scale cos(h P, t),   loss = CE + lambda ||P - P0||_F^2          h: pooled, unprojected image features

with lambda = 1 / shots. Class texts are frozen, so new classes work. This is the paper's validation-free setting: the
rate of 1e-5 and lambda are the same everywhere and the last epoch is used. (The other setting searches 49 pairs on as
many validation images as shots.) Every epoch is one full-batch step on a new augmented view. It works on vision
transformers only, since the projection of a ResNet is inside its attention pooling.
"""

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import MethodInfo, Sizes, TrainableMethod, cosine_logits
from methods._base.batch import Batch, Classifier, SupportView, support_without_images
from methods._base.recipe import Recipe, for_transfer
from methods._base.registry import register_method
from methods._parts.feature_methods import LogitScaleSetting, TextConfig, template_ensemble
from methods._parts.two_tower_methods import PROLIP_FACTS


class ProLIPConfig(TextConfig):
    """Weight of the penalty, and the class texts."""

    penalty: Literal["per_shot", "per_shot_squared"] | float = Field(
        "per_shot", description="lambda: 1/shots (headline), 1/shots^2, or a number"
    )
    logit_scale: LogitScaleSetting = None

    def parameter_count(self, sizes: Sizes) -> int:
        return sizes.image_width * sizes.embed_dim


RECIPE = Recipe(
    source="ProLIP configs/experiments few_shot_no_val_lr1e-5_lambda_1_N and base_to_new_VITB16; Adam eps 1e-4",
    optimizer="adam",
    lr=1e-5,
    eps=1e-4,
    weight_decay=0.0,
    epochs=300,
    batch_size=0,
    schedule="cosine",
    warmup="none",
    crop_scale=(0.5, 1.0),
)


@register_method
class ProLIP(TrainableMethod[ProLIPConfig]):
    """`scale cos(h P, t)` with a trained P."""

    info = MethodInfo(
        name="prolip",
        title="ProLIP",
        summary="The image tower's last projection, fine-tuned and kept near its initial value.",
        config=ProLIPConfig,
        needs=frozenset({"pooled"}),
        vision_transformer=True,
        tower_use=frozenset({"image_projection"}),
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE} | for_transfer(RECIPE),
        **PROLIP_FACTS,
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        named = {"per_shot": 1 / support.shots, "per_shot_squared": 1 / support.shots**2}
        self.penalty = self.config.penalty if isinstance(self.config.penalty, float) else named[self.config.penalty]
        self.scale = self.config.logit_scale or self.backbone.logit_scale
        # works for every kind of final layer, as matrix and bias
        project, width = self.backbone.image_tower.project_to_joint_space, self.backbone.vision_width
        bias = project(torch.zeros(1, width, device=self.backbone.device))
        matrix = project(torch.eye(width, device=self.backbone.device)) - bias
        self.start, self.bias = matrix, bias[0]
        self.matrix = nn.Parameter(matrix.clone())
        self.trainable = nn.ParameterDict({"matrix": self.matrix})
        self.texts: dict[ClassSet, Tensor] = {}

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        squared_distance = (self.matrix - self.start).square().sum()
        return super().loss(batch) + self.penalty * squared_distance

    def tuned_state(self) -> dict[str, Tensor]:
        """The matrix P. Its initial value and the bias come from the tower."""
        return {"matrix": self.matrix}

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        self.prepare(support_without_images(self.info.name, classes, self.backbone.device))
        self.trainable.load_state_dict(state)

    def projected(self, pooled: Float[Tensor, "batch width"]) -> Float[Tensor, "batch dim"]:
        """`h P + b`, with the tower's own b."""
        return pooled @ self.matrix + self.bias

    def classifier(self, classes: ClassSet) -> Classifier:
        if classes not in self.texts:
            self.texts[classes] = template_ensemble(self.backbone, classes, self.config.templates)
        text = self.texts[classes]
        return lambda batch: cosine_logits(self.projected(batch.pooled), text, self.scale)
