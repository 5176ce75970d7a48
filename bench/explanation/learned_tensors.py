"""Learned tensors and their sizes, and the weights of the adaptive ensemble."""

from typing import Any

import torch

from bench.tuned import ModelInfo
from methods import Blend, Method
from reports.views import EnsembleView, NormView


def tensor_norms(method: Method[Any]) -> tuple[NormView, ...]:
    """Euclidean norm and root mean square of each learned tensor."""
    found = []
    for name, value in method.tuned_state().items():
        if value.is_floating_point() and value.numel():
            norm = float(value.detach().double().norm())
            found.append(NormView(name, tuple(value.shape), norm, norm / value.numel() ** 0.5))
    return tuple(found)


@torch.no_grad()
def ensemble_weights(info: ModelInfo, method: Method[Any]) -> EnsembleView | None:
    """Weight and distances of each class; None for a method without an adaptive ensemble."""
    classify = method.classifier(info.classes.class_set)
    if not isinstance(classify, Blend):
        return None
    columns = (classify.text_weight, classify.mean_distance, classify.nearest_distance)
    rows = zip(info.classes.names, *(column.tolist() for column in columns), strict=True)
    return EnsembleView(tuple(rows), classify.image_weight)
