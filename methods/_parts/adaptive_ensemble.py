"""APEX's ensemble: the weight of a class, from the distance of its name to the training classes, and the blend."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from methods._base.batch import Batch
from methods._base.method import cosine_logits


def class_distances(
    candidates: Float[Tensor, "n_cls dim"], trained: Float[Tensor, "n_trained dim"], nearest: Literal["max", "min"]
) -> tuple[Float[Tensor, " n_cls"], Float[Tensor, " n_cls"]]:
    """Mean and nearest cosine distance of each candidate's text to those of the training classes.

    Args:
        candidates: frozen text features, of any norm.
        nearest: cosine of the nearest class: the largest, or the smallest, as in the paper's equation.
    """
    cosine = F.normalize(candidates, dim=-1) @ F.normalize(trained, dim=-1).T
    closest = cosine.amax(dim=1) if nearest == "max" else cosine.amin(dim=1)
    return 1 - cosine.mean(dim=1), 1 - closest


def ensemble_weight(
    mean_distance: Float[Tensor, " n_cls"], nearest_distance: Float[Tensor, " n_cls"], *, beta: float, eps: float
) -> Float[Tensor, " n_cls"]:
    """`exp(-beta * mean * [nearest > eps])`; 1 (adapted model only) for trained classes."""
    return torch.exp(-beta * mean_distance * (nearest_distance > eps))


@dataclass(frozen=True)
class Blend:
    """A classifier that blends two models; all features are unnormalised.

    The blend is linear in both features, so other weights can be tried later on stored features, without the towers or
    training.

    Args:
        text_weight: share of the adapted text, per class.
        adapted_image: image features of the adapted model; not computed if its share is 0.
        plain_image: image features of the other model; not computed if the adapted share is 1.
        mean_distance: mean distance of each class to the training classes, see `class_distances`.
        nearest_distance: distance of each class to the nearest training class.
    """

    adapted_text: Float[Tensor, "n_cls dim"]
    plain_text: Float[Tensor, "n_cls dim"]
    text_weight: Float[Tensor, " n_cls"]
    adapted_image: Callable[[Batch], Tensor]
    plain_image: Callable[[Batch], Tensor]
    image_weight: float
    mean_distance: Float[Tensor, " n_cls"]
    nearest_distance: Float[Tensor, " n_cls"]
    scale: float

    def __call__(self, batch: Batch) -> Float[Tensor, "batch n_cls"]:
        """Logits of a batch; an image tower with weight 0 does not run."""
        adapted = self.adapted_image(batch) if self.image_weight > 0 else None
        return self.logits(adapted, self.plain_image(batch) if self.image_weight < 1 else None)

    def logits(self, adapted: Tensor | None, plain: Tensor | None) -> Float[Tensor, "batch n_cls"]:
        """Logits from image features of the two models, `(batch, dim)` each; None for a model with weight 0."""
        image: Tensor | float = 0.0
        if adapted is not None and self.image_weight > 0:
            image = self.image_weight * adapted
        if plain is not None and self.image_weight < 1:
            image = image + (1 - self.image_weight) * plain
        weight = self.text_weight[:, None]
        text = weight * self.adapted_text + (1 - weight) * self.plain_text
        assert isinstance(image, Tensor)
        return cosine_logits(image, text, self.scale)
