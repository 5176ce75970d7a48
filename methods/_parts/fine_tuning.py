"""Fine-tuning of parts of the image tower against frozen class texts, as in ProLIP's comparison."""

from abc import abstractmethod
from typing import TypeVar

import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet
from methods._base.batch import Batch, Classifier, SupportView
from methods._base.method import TrainableMethod
from methods._base.recipe import Optimizer, Recipe, Schedule, Warmup
from methods._parts.feature_space import LogitScaleSetting, TextConfig, template_ensemble


class FineTuningConfig(TextConfig):
    """How logits are computed."""

    normalise_images: bool = Field(
        False,
        description="whether image features are normalised; the official code multiplies them by the normalised class "
        "texts as they are, in training and on all test sets but ImageNet's",
    )
    logit_scale: LogitScaleSetting = None


ConfigT = TypeVar("ConfigT", bound=FineTuningConfig)

FINE_TUNING_RECIPE = Recipe(
    source="ProLIP configs/experiments/full_ft.yaml, methods/Full_FT.py; reused for base-to-new",
    optimizer=Optimizer.ADAM,
    lr=1e-5,
    eps=1e-4,
    weight_decay=0.0,
    epochs=300,
    batch_size=16,
    drop_last=False,
    schedule=Schedule.COSINE,
    warmup=Warmup.NONE,
    crop_scale=(0.5, 1.0),
)


class FineTuningMethod(TrainableMethod[ConfigT]):
    """`scale f t'` with image features f of a trained tower, normalised or not, and normalised frozen texts t."""

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.scale = self.config.logit_scale or self.backbone.logit_scale
        self.texts: dict[ClassSet, Tensor] = {}

    @abstractmethod
    def image_features(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Features of the trained tower, unnormalised."""

    def classifier(self, classes: ClassSet) -> Classifier:
        if classes not in self.texts:
            self.texts[classes] = template_ensemble(self.backbone, classes, self.config.templates)
        text = self.texts[classes]

        def classify(batch: Batch) -> Tensor:
            image = self.image_features(batch)
            if self.config.normalise_images:
                image = F.normalize(image, dim=-1)
            logits: Tensor = self.scale * image @ text.T
            return logits

        return classify
