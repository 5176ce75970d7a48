"""A mixin for wrappers that need the features which their host compares in training."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from methods._base.trainable_method import TrainableMethod


class ComparedPair(TrainableMethod[Any]):
    """Mixin before a host: records the image and text features that the host compares, unnormalised."""

    compared_images: Float[Tensor, "batch dim"]
    compared_texts: Float[Tensor, "n_cls dim"] | Float[Tensor, "batch n_cls dim"]

    def image_features(self, *given: Any) -> Tensor:
        """The host's, which are recorded."""
        self.compared_images = super().image_features(*given)  # type: ignore[misc]
        return self.compared_images

    def text_features(self, *given: Any) -> Tensor:
        """The host's, which are recorded."""
        self.compared_texts = super().text_features(*given)  # type: ignore[misc]
        return self.compared_texts
