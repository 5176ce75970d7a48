"""Base classes of methods whose logits are the scaled cosine of one image feature and one text feature per class."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods._base.batch import Batch, Classifier, SupportView
from methods._base.method import ConfigT, cosine_logits
from methods._base.recipe import Recipe
from methods._base.trainable_method import TrainableMethod
from methods._parts.citations import PROLIP_PAPER
from methods._parts.feature_methods import SELECT7_ON_IMAGENET, LogitScaleSetting, TextConfig, template_ensemble
from methods._parts.prompts import Context, Coupling, TextContext, VisualPrompts
from methods._text.prompt_embeddings import frozen_prompts
from methods._text.templates import worded
from methods._towers.text_hidden_states import TextHidden


class TwoTowerMethod(TrainableMethod[ConfigT]):
    """Base of the methods whose logits are the scaled cosine of an image feature and one text feature per class.

    Both are unnormalised, so that they can be blended with the features of the pretrained model (`apex_on`).

    Attributes:
        one_pair: whether the logits depend on this pair alone. If False, wrappers must not use the pair.
        wording: templates of frozen class texts in place of a dataset's own template, by that template or by the
            dataset's name; None for a method that has no such texts.
    """

    one_pair: ClassVar[bool] = True
    wording: ClassVar[Mapping[str, str] | None] = None

    @classmethod
    def class_template(cls, classes: ClassSet) -> str:
        """The template of the frozen class texts."""
        return worded(cls.wording or {}, classes) or classes.template

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self._frozen: dict[tuple[ClassSet, str], Tensor] = {}
        self._hidden: dict[tuple[ClassSet, str, int], TextHidden] = {}

    @abstractmethod
    def text_features(self, classes: ClassSet) -> Float[Tensor, "n_cls dim"]:
        """Text features that training and plain evaluation use, unnormalised."""

    def image_features(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Image features that training and plain evaluation use, unnormalised; by default the frozen tower's."""
        return batch.features

    def frozen_text(self, classes: ClassSet, template: str) -> Float[Tensor, "n_cls dim"]:
        """Features of plain class texts, unnormalised; computed once per class list and template."""
        key = (classes, template)
        if key not in self._frozen:
            self._frozen[key] = self.backbone.class_texts(classes, template)
        return self._frozen[key]

    def frozen_text_hidden(self, classes: ClassSet, template: str, first: int) -> TextHidden:
        """Hidden states of plain class texts before text block `first`; computed once per class list and template."""
        key = (classes, template, first)
        if key not in self._hidden:
            prompts = frozen_prompts(self.backbone.class_tokens(classes, template))
            self._hidden[key] = self.backbone.text_hidden(prompts, first)
        return self._hidden[key]

    def loss_near_texts(
        self, batch: Batch, frozen: Float[Tensor, "n_cls dim"], weight: float
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Cross-entropy, and `text_penalty` of the learned and the frozen texts (KgCoOp)."""
        text = self.text_features(self.support_classes)
        logits = cosine_logits(self.image_features(batch), text, self.backbone.logit_scale)
        return F.cross_entropy(logits, batch.labels), self.text_penalty(text, frozen, weight)

    def text_penalty(
        self, text: Float[Tensor, "n_cls dim"], frozen: Float[Tensor, "n_cls dim"], weight: float
    ) -> Float[Tensor, ""]:
        """`weight * (1 - mean_c cos(w_c, t_c))`: learned texts w, frozen texts t."""
        return weight * (1 - F.cosine_similarity(text, frozen).mean())

    def classifier(self, classes: ClassSet) -> Classifier:
        text = self.text_features(classes)
        return lambda batch: cosine_logits(batch.once(self.image_features), text, self.backbone.logit_scale)


class ContextMethod(TwoTowerMethod[ConfigT]):
    """Base of CoOp and of methods with the same text input."""

    trainable: Context

    def text_features(self, classes: ClassSet) -> Tensor:
        self.check_classes(classes)
        return self.backbone.encode_prompts(self.trainable.prompts(classes, self.backbone))


class Parts(nn.Module):
    """Learned parts around a frozen backbone. A side without a part is frozen.

    `coupling` replaces `visual_prompts` and needs a `text_context`.
    """

    def __init__(
        self,
        *,
        visual_prompts: VisualPrompts | None = None,
        text_context: TextContext | None = None,
        coupling: Coupling | None = None,
        text_adapter: nn.Module | None = None,
        visual_adapter: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.visual_prompts = visual_prompts
        self.text_context = text_context
        self.coupling = coupling
        self.text_adapter = text_adapter
        self.visual_adapter = visual_adapter

    def visual_prompt_tokens(self) -> list[Tensor]:
        """Visual prompts by block; empty without any."""
        if self.coupling is not None and self.text_context is not None:
            coupled: list[Tensor] = self.coupling(self.text_context.layers())
            return coupled
        return list(self.visual_prompts.layers) if self.visual_prompts else []


class ComposedMethod(TwoTowerMethod[ConfigT]):
    """Base of the methods that consist of `Parts`.

    Attributes:
        template: template of the class texts if no text context is learned; None for the dataset's own.
    """

    template: ClassVar[str | None] = None
    trainable: Parts

    @abstractmethod
    def make_parts(self) -> Parts:
        """The newly initialised parts. Their order decides which numbers of the generator each of them gets."""

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.trainable = self.make_parts().to(self.backbone.device)

    def prompted_text(self, classes: ClassSet) -> Float[Tensor, "n_cls dim"]:
        """Text features before any adapter, unnormalised."""
        context = self.trainable.text_context
        return (
            context(classes, self.backbone) if context else self.frozen_text(classes, self.template or classes.template)
        )

    def text_features(self, classes: ClassSet) -> Float[Tensor, "n_cls dim"]:
        return self.text_features_from(self.prompted_text(classes))

    def text_features_from(self, prompted: Float[Tensor, "n_cls dim"]) -> Float[Tensor, "n_cls dim"]:
        """Text features after the text adapter, if there is one."""
        adapter = self.trainable.text_adapter
        return adapter(prompted) if adapter else prompted

    def image_features(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        prompts = self.trainable.visual_prompt_tokens()
        image = self.backbone.encode_image(batch.pixels, prompts=prompts) if prompts else batch.features
        return self.trainable.visual_adapter(image) if self.trainable.visual_adapter else image


class FineTuningConfig(TextConfig):
    """The class texts, and whether image features are normalised in training."""

    normalise_images: bool = Field(
        False,
        description="whether image features are normalised in training; the official code multiplies them by the "
        "normalised class texts as they are",
    )
    logit_scale: LogitScaleSetting = None


FineTuningConfigT = TypeVar("FineTuningConfigT", bound=FineTuningConfig)

CLIP_LORA_RECIPE = Recipe(
    source="CLIP-LoRA run_utils.py, lora.py; printed for few-shot, reused for base-to-new",
    optimizer="adamw",
    lr=2e-4,
    weight_decay=0.01,
    steps_per_shot=500,
    schedule="cosine",
    min_lr=1e-6,
    warmup="none",
    drop_last=False,
)
"""CLIP-LoRA's settings, which the code of 2SFS and CLIP-SVD took over."""
PROLIP_FACTS: dict[str, Any] = {
    "family": "weight adapter",
    "paper": "2410.05270",
    "code": "astra-vision/ProLIP",
    "citation": PROLIP_PAPER,
    "open_vocabulary": True,
    "starts_as_zero_shot": {},
    "config_by_protocol": {
        protocol: {"by_dataset": SELECT7_ON_IMAGENET}
        for protocol in (EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW, EvalProtocol.DOMAIN_GENERALIZATION)
    },
}
"""Facts of ProLIP and of the baselines in its paper. In cross-dataset transfer, each dataset has its own template."""
FINE_TUNING_RECIPE = Recipe(
    source="ProLIP configs/experiments/full_ft.yaml, main_imagenet.py; reused for base-to-new and cross-dataset",
    optimizer="adam",
    lr=1e-5,
    eps=1e-4,
    weight_decay=0.0,
    epochs=300,
    batch_size=16,
    by_dataset={"imagenet": {"batch_size": 256}},
    drop_last=False,
    schedule="cosine",
    warmup="none",
    crop_scale=(0.5, 1.0),
)


class FineTuningMethod(TrainableMethod[FineTuningConfigT]):
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
