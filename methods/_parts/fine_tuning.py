"""Fine-tuning of parts of the image tower with frozen class texts, as in ProLIP's comparison."""

from abc import abstractmethod
from typing import TypeVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet
from methods._base.batch import Batch, Classifier, SupportView
from methods._base.method import TrainableMethod, cosine_logits
from methods._base.recipe import Optimizer, Recipe, Schedule, Warmup
from methods._parts.feature_space import LogitScaleSetting, TextConfig, template_ensemble


class FineTuningConfig(TextConfig):
    """The class texts, and whether image features are normalised in training."""

    normalise_images: bool = Field(
        False,
        description="whether image features are normalised in training; the official code multiplies them by the "
        "normalised class texts as they are",
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
    """`scale f t'` with image features f of a trained tower and normalised frozen texts t.

    Evaluation normalises f. This changes no prediction and keeps the probabilities in the range of single precision.
    """

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.scale = self.config.logit_scale or self.backbone.logit_scale
        self.texts: dict[ClassSet, Tensor] = {}

    @abstractmethod
    def image_features(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Features of the trained tower, unnormalised."""

    def class_texts(self, classes: ClassSet) -> Float[Tensor, "n_cls dim"]:
        """Normalised frozen texts, computed once per class list."""
        if classes not in self.texts:
            self.texts[classes] = template_ensemble(self.backbone, classes, self.config.templates)
        return self.texts[classes]

    def train_classifier(self) -> Classifier:
        if self.config.normalise_images:
            return self.classifier(self.support_classes)
        text = self.class_texts(self.support_classes)
        return lambda batch: self.scale * self.image_features(batch) @ text.T

    def classifier(self, classes: ClassSet) -> Classifier:
        text = self.class_texts(classes)
        return lambda batch: cosine_logits(batch.once(self.image_features), text, self.scale)
