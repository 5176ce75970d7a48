"""Methods on the tiny CLIP that are prepared and moved away from their start, as training would."""

from __future__ import annotations

from typing import Any

import torch
from parity_kit import batch_of, class_set, images, support_view, tiny_backbone

from datasets_registry import ClassSet, EvalProtocol
from methods import get_method

INDEX = torch.tensor([0, 3, 5, 8])
"""The training images of a batch; two of each class."""


def moved(name: str, classes: ClassSet | None = None, **config: Any) -> Any:
    """A host moves alike with and without a wrapper around it."""
    cls = get_method(name)
    if name.endswith("clip_lora"):
        config["dropout"] = 0.0
    settings = cls.info.default_config(EvalProtocol.BASE_TO_NEW).model_dump() | config
    method: Any = cls(tiny_backbone(), cls.info.config.model_validate(settings), torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), classes or class_set("base")))
    with torch.no_grad():
        for key, parameter in method.trainable.named_parameters():
            seed = 4 if key.startswith("head.") else 5
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    return method


def train_batch(method: Any) -> Any:
    return batch_of(tiny_backbone(), images("train")[INDEX], INDEX // 2, method.info.needs)
