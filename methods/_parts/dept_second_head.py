"""DePT's second head: a linear classifier of the trained classes, added to a host that compares text and image."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from datasets_registry import ClassSet
from methods._base.batch import Batch, Classifier, SupportView
from methods._base.method import TrainableMethod
from methods._parts.parameter_initialisation import linear_layer


class Head(nn.Module):
    """A linear classifier of the trained classes, after one channel-wise map for images and one for texts."""

    def __init__(self, dim: int, n_classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.image_scale, self.text_scale = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.ones(dim))
        self.image_shift, self.text_shift = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))
        self.rows = linear_layer(dim, n_classes, generator)

    def image_logits(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch n_cls"]:
        """Logits of images."""
        logits: Tensor = self.rows(self.image_scale * features + self.image_shift)
        return logits

    def text_logits(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch n_cls"]:
        """Logits of texts."""
        logits: Tensor = self.rows(self.text_scale * features + self.text_shift)
        return logits


class Decoupled(TrainableMethod[Any]):
    """Mixin before a host: records the features that the host compares, and adds the head."""

    compared_images: Float[Tensor, "batch dim"]
    compared_texts: Float[Tensor, "n_cls dim"] | Float[Tensor, "batch n_cls dim"]

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        head = Head(self.backbone.embed_dim, len(support.classes), self.generator)
        self.trainable.add_module("head", head.to(self.backbone.device))

    @property
    def head(self) -> Head:
        """The second head."""
        head = self.trainable.head
        assert isinstance(head, Head)
        return head

    def image_features(self, *given: Any) -> Tensor:
        """The host's, which are recorded."""
        self.compared_images = super().image_features(*given)  # type: ignore[misc]
        return self.compared_images

    def text_features(self, *given: Any) -> Tensor:
        """The host's, which are recorded."""
        self.compared_texts = super().text_features(*given)  # type: ignore[misc]
        return self.compared_texts

    def parameter_groups(self) -> list[dict[str, Any]]:
        own = set(self.head.parameters())
        hosts = [
            {**group, "params": [p for p in group["params"] if p not in own]} for group in super().parameter_groups()
        ]
        return [*hosts, {"params": list(self.head.parameters()), "lr_scale": self.config.head_rate}]

    def loss(self, batch: Batch) -> Tensor:
        share, host = self.config.head_share, super().loss(batch)
        images, texts = self.compared_images, self.compared_texts
        own = texts[batch.labels] if texts.dim() == 2 else texts[torch.arange(len(texts)), batch.labels]
        logits = torch.cat([self.head.text_logits(own), self.head.image_logits(images)])
        loss: Tensor = (1 - share) * host + share * F.cross_entropy(logits, batch.labels.repeat(2))
        return loss

    def train_classifier(self) -> Classifier:
        host = super().train_classifier
        if host.__func__ is not TrainableMethod.train_classifier:  # type: ignore[attr-defined]
            return host()
        # the default is the classifier of evaluation, which here has both heads
        return super().classifier(self.support_classes)  # type: ignore[safe-super]

    def classifier(self, classes: ClassSet) -> Classifier:
        host = super().classifier(classes)  # type: ignore[safe-super]
        trained = self.support_classes.names
        if not set(classes.names) <= set(trained):
            return host
        # two classes may share a name but have a row each
        rows = list(range(len(trained))) if classes.names == trained else [trained.index(n) for n in classes.names]
        share: float = self.config.head_share

        def classify(batch: Batch) -> Tensor:
            matched = (1 - share) * host(batch)
            return matched + share * self.head.image_logits(self.compared_images)[:, rows]

        return classify
