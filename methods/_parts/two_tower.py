"""Methods whose logits are the scaled cosine of one image feature and one text feature per class."""

from abc import abstractmethod
from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from datasets_registry import ClassSet
from methods._base.batch import Batch, Classifier, SupportView
from methods._base.method import ConfigT, TrainableMethod, cosine_logits
from methods._text.prompt_embeddings import frozen_prompts
from methods._towers.text_hidden_states import TextHidden


class TwoTowerMethod(TrainableMethod[ConfigT]):
    """Base of the methods whose logits are the scaled cosine of an image feature and one text feature per class.

    Both are unnormalised, so that they can be blended with the features of the pretrained model (`apex_on`).

    Attributes:
        one_pair: whether the logits depend on this pair alone. If False, wrappers must not use the pair.
    """

    one_pair: ClassVar[bool] = True

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self._frozen: dict[tuple[ClassSet, str], Tensor] = {}
        self._hidden: dict[tuple[ClassSet, str, int], TextHidden] = {}

    @abstractmethod
    def text_features(self, classes: ClassSet) -> Float[Tensor, "*runs n_cls dim"]:
        """Text features that training and plain evaluation use, unnormalised."""

    def image_features(self, batch: Batch) -> Float[Tensor, "*runs batch dim"]:
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

    def loss_near_texts(self, batch: Batch, frozen: Float[Tensor, "n_cls dim"], weight: float) -> Float[Tensor, ""]:
        """Cross-entropy plus `weight * (1 - mean_c cos(w_c, t_c))`: learned texts w, frozen texts t (KgCoOp)."""
        text = self.text_features(self.support_classes)
        logits = cosine_logits(self.image_features(batch), text, self.backbone.logit_scale)
        distance = 1 - F.cosine_similarity(text, frozen).mean()
        return F.cross_entropy(logits, batch.labels) + weight * distance

    def classifier(self, classes: ClassSet) -> Classifier:
        text = self.text_features(classes)
        return lambda batch: cosine_logits(batch.once(self.image_features), text, self.backbone.logit_scale)
