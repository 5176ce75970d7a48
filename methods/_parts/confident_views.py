"""Random views of a test image, of which the most confident ones are used (Shu et al., NeurIPS 2022)."""

import math

from jaxtyping import Float
from torch import Tensor

IMAGENET_SHIFTS = frozenset({"imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r"})
"""ImageNet's variants, for which official code has other views than for the fine-grained datasets."""


def most_confident(logits: Float[Tensor, "n_views n_cls"], share: float) -> Tensor:
    """Positions of the views with the lowest entropy, at least one."""
    entropies = entropy(logits.detach().log_softmax(dim=1))
    return entropies.argsort()[: max(1, int(len(logits) * share))]


def log_of_mean(logits: Float[Tensor, "n_views n_cls"]) -> Float[Tensor, " n_cls"]:
    """Logarithms of the mean of the views' probabilities."""
    return logits.log_softmax(dim=1).logsumexp(dim=0) - math.log(len(logits))


def entropy(log_p: Float[Tensor, "*n n_cls"]) -> Float[Tensor, "*n"]:
    """Entropy, in nats, of probabilities given by their logarithms."""
    return -(log_p.exp() * log_p).sum(dim=-1)
