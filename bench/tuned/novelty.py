"""Novelty: how unlike the training images an image is, and the threshold for flagging it."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from bench.tuned.model_info import Novelty

MEANS = "novelty.means"
"""Name of the class means in a model file."""
FALSE_ALARMS = 0.05


def class_means(
    features: Float[Tensor, "n dim"], labels: Int[Tensor, " n"], n_classes: int
) -> Float[Tensor, "n_cls dim"]:
    """The mean normalised feature of each class, in half precision, since only its direction matters."""
    members = F.one_hot(labels, n_classes).to(features.dtype)
    return (members.T @ F.normalize(features, dim=-1) / members.sum(dim=0)[:, None].clamp(min=1)).half()


def novelty_scores(features: Float[Tensor, "n dim"], means: Float[Tensor, "n_cls dim"]) -> Float[Tensor, " n"]:
    """One minus the cosine of each feature to the nearest class mean."""
    nearest: Tensor = (F.normalize(features, dim=-1) @ F.normalize(means.to(features.dtype), dim=-1).T).amax(dim=1)
    return 1 - nearest


def left_out_scores(features: Float[Tensor, "n dim"], labels: Int[Tensor, " n"], n_classes: int) -> Float[Tensor, " n"]:
    """The score of each support image, with the image left out of its class mean; classes of one image are skipped."""
    image = F.normalize(features, dim=-1)
    members = F.one_hot(labels, n_classes).to(image.dtype)
    sums, counts = members.T @ image, members.sum(dim=0)
    cosine = image @ F.normalize(sums, dim=-1).T
    own = (image * F.normalize(sums[labels] - image, dim=-1)).sum(dim=1)
    scores: Tensor = 1 - cosine.scatter(1, labels[:, None], own[:, None]).amax(dim=1)
    return scores[counts[labels] > 1]


def threshold(scores: Float[Tensor, " n"]) -> tuple[float, float]:
    """The threshold, and the probability that bounds how often a new image of a known class exceeds it.

    The probability is 0.05, or `1 / (n + 1)` for fewer than 19 images: the threshold is an order statistic of n scores,
    so the bound holds for any distribution.
    """
    n = len(scores)
    rate = max(FALSE_ALARMS, 1 / (n + 1))
    rank = min(n, math.ceil((n + 1) * (1 - rate) - 1e-9))
    return float(scores.sort().values[rank - 1]), rate


def fit_novelty(kind: str, source: str, scores: Float[Tensor, " n"]) -> Novelty | None:
    """The description of a score with its threshold; None without any score."""
    scores = scores[torch.isfinite(scores)]
    if not len(scores):
        return None
    limit, rate = threshold(scores)
    return Novelty(kind=kind, source=source, threshold=limit, false_alarm_rate=rate, n=len(scores))
