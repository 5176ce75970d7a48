"""A method that is nothing but its parts: image features on one side, class texts on the other, cosine between them."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from datasets_registry import ClassSet
from methods._base.method import Batch, Classifier, MethodConfig, SupportView, TrainableMethod, cosine_logits
from methods._parts.parts import Parts
from methods._text.prompts import frozen_prompts
from methods._towers.text_prefix import TextHidden

ConfigT = TypeVar("ConfigT", bound=MethodConfig)

GENERIC_TEMPLATE = "a photo of a {}."


class TwoTowerMethod(TrainableMethod[ConfigT]):
    """Base of the methods whose logits are the scaled cosine of an image feature and one text feature a class.

    Both are unnormalised, so that they can be blended with those of the pretrained model (`apex_on`).

    Attributes:
        one_pair: whether these two decide the logits alone; False where others enter too, so that no wrapper may take
            the pair for the method.
    """

    one_pair: ClassVar[bool] = True

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self._frozen: dict[tuple[ClassSet, str], Tensor] = {}
        self._hidden: dict[tuple[ClassSet, str, int], TextHidden] = {}

    @abstractmethod
    def text_features(self, classes: ClassSet) -> Float[Tensor, "n_cls dim"]:
        """Text features that training and plain evaluation use, unnormalised."""

    def image_features(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Image features that training and plain evaluation use, unnormalised; the frozen tower's by default."""
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
            prompts = frozen_prompts(self.backbone.tokenized(classes.texts(template)))
            self._hidden[key] = self.backbone.text_hidden(prompts, first)
        return self._hidden[key]

    def classifier(self, classes: ClassSet) -> Classifier:
        text = self.text_features(classes)
        return lambda batch: cosine_logits(self.image_features(batch), text, self.backbone.logit_scale)


class ComposedMethod(TwoTowerMethod[ConfigT]):
    """Base of the methods made of `Parts`. A subclass says which parts (`make_parts`) and which frozen text."""

    trainable: Parts

    @abstractmethod
    def make_parts(self, classes: ClassSet) -> Parts:
        """The learned parts, freshly initialised from `self.generator`."""

    def frozen_template(self, classes: ClassSet) -> str:
        """Template of the class texts where no text context is learned; the dataset's own unless a method differs."""
        return classes.template

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.trainable = self.make_parts(support.classes).to(self.backbone.device)

    def prompted_text(self, classes: ClassSet) -> Float[Tensor, "n_cls dim"]:
        """Text features before any adapter, unnormalised."""
        context = self.trainable.text_context
        return context(classes, self.backbone) if context else self.frozen_text(classes, self.frozen_template(classes))

    def text_features(self, classes: ClassSet) -> Float[Tensor, "n_cls dim"]:
        return self.text_features_from(self.prompted_text(classes))

    def text_features_from(self, prompted: Float[Tensor, "n_cls dim"]) -> Float[Tensor, "n_cls dim"]:
        """The text adapter's output, if there is one."""
        adapter = self.trainable.text_adapter
        return adapter(prompted) if adapter else prompted

    def image_features(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        prompts = self.trainable.visual()
        image = self.backbone.encode_image(batch.pixels, prompts=prompts) if prompts else batch.features
        return self.trainable.visual_adapter(image) if self.trainable.visual_adapter else image


def mean_of_normalised(features: list[Tensor]) -> Tensor:
    """Template ensemble as CLIP does it: normalise each template's features, average, normalise again."""
    stacked = torch.stack([torch.nn.functional.normalize(f, dim=-1) for f in features])
    return torch.nn.functional.normalize(stacked.mean(dim=0), dim=-1)
