"""Prediction sets of a run: whether its validation images can promise a coverage, and the sets of its test images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.analysis import prediction_sets
from bench.record import Predictions, Score
from bench.spec import ExperimentSpec
from datasets_registry import PoolKind, SupportSet
from methods import MethodInfo

_ROWS = 4096
"""Images whose scores are in memory together."""


def label_scores(logits: Tensor, labels: Tensor) -> NDArray[Any]:
    """The scores `-log p` of the true classes, `(n,)`, from logits `(n, n_cls)`."""
    return prediction_sets.class_scores(logits.gather(1, labels[:, None])[:, 0].float().numpy(), _log_sums(logits))


def all_scores(logits: Tensor) -> NDArray[Any]:
    """The scores `-log p` of all classes, `(n, n_cls)`, from logits on the CPU."""
    return prediction_sets.class_scores(logits.float().numpy(), _log_sums(logits))


def _log_sums(logits: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = logits.double().logsumexp(dim=1).float().numpy()
    return found


def why_no_promise(spec: ExperimentSpec, info: MethodInfo, validation: SupportSet) -> str:
    """Why nothing can be promised from the validation images of a run; empty if something can.

    They must be images like those to predict: nothing about the classifier may have been chosen on them, and the
    classifier may not have changed since.
    """
    if spec.epoch_selection == "oracle" or "oracle" in spec.config.values():
        return "the model was chosen with test labels"
    if info.reads_test_stream:
        return f"{spec.method} changes with the images that it predicts"
    if spec.unlabelled == PoolKind.TRANSDUCTIVE:
        return f"{spec.method} learned from the test images, so they are no longer like the validation images"
    if not len(validation):
        return "there are no validation images"
    if spec.epoch_selection == "validation" or info.selects_on_validation(spec.config):
        shots = "the held-out shots" if spec.held_out_shot else "the validation images"
        return f"{spec.method} selected on {shots}, so they are no longer like new images"
    return ""


@dataclass(frozen=True)
class SetThreshold:
    """The calibrated threshold of prediction sets.

    Args:
        images: number of validation images that it was set by.
        value: largest `-log p` of a class in a set.
    """

    promise: float
    images: int
    value: float

    @classmethod
    def of(cls, scores: NDArray[Any], promise: float) -> "SetThreshold | None":
        """The threshold for calibration scores; None if they are too few for the promise."""
        if prediction_sets.too_few(len(scores), promise):
            return None
        return cls(promise, len(scores), prediction_sets.conformal_threshold(scores, promise))


def with_sets(score: Score, item: Predictions, logits: Tensor, threshold: SetThreshold) -> tuple[Score, Predictions]:
    """A score and its predictions with size and coverage of the prediction sets; `logits` are in their order."""
    blocks = (logits[first : first + _ROWS] for first in range(0, len(logits), _ROWS))
    sizes = np.concatenate(
        [prediction_sets.in_sets(all_scores(block), threshold.value).sum(axis=1) for block in blocks]
    )
    facts: Mapping[str, float] = prediction_sets.set_scores(sizes, item.rank) | {
        "set_promise": threshold.promise,
        "set_images": threshold.images,
        "set_threshold": threshold.value,
    }
    return score.model_copy(update=facts), replace(item, set_size=sizes.astype(np.int32))


def labels_of(part: SupportSet) -> Tensor:
    """The labels of a support set, `(n,)`."""
    return torch.tensor(part.labels, dtype=torch.long)
