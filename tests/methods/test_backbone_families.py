"""Every method on a small model of each kind of tower: the plan allows it exactly if it runs."""

from __future__ import annotations

from functools import cache
from typing import get_args

import pytest
import torch
from parity_kit import batch_of
from short_settings import SHORT
from small_families import small_backbone
from torch import Tensor

from bench.extensions.conformance.subject import tiny_teacher
from bench.sweep.rules import backbone_conflict
from datasets_registry import ClassSet
from methods import Batch, MethodInfo, SupportView, TowerUse, TrainableMethod, get_method, list_methods

CLASSES = ClassSet(("cat", "very old tree", "dog"), "a photo of a {}.")
LABELS = torch.tensor([0, 0, 1, 1, 2, 2])
SETTINGS = {
    "mma": {"blocks": 1},
    "mmrl": {"blocks": 1},
    "mmrl_pp": {"blocks": 1},
    "tcp": {"layer": 1},
    "dekg_tcp": {"layer": 1},
}
"""For towers of two blocks."""


@cache
def pixels_of(family: str) -> Tensor:
    size = small_backbone(family).image_size
    return torch.randn(6, 3, size, size, generator=torch.Generator().manual_seed(1))


@cache
def features_of(family: str) -> Tensor:
    with torch.no_grad():
        return small_backbone(family).encode_image(pixels_of(family))


def run(name: str, family: str) -> Tensor:
    """Logits of a method that was prepared and, if it trains, asked for one loss and its gradients."""
    backbone, kind = small_backbone(family), get_method(name)
    info, features = kind.info, features_of(family)
    settings = SETTINGS.get(name, {}) | SHORT.get(name, {}) | dict.fromkeys(info.prompt_depths, 2)
    method = kind(backbone, info.config(**settings), torch.Generator().manual_seed(0))
    support = SupportView(
        CLASSES,
        LABELS,
        2,
        lambda: features,
        lambda k, _: features.expand(k, -1, -1),
        unlabelled=lambda: features,
        teacher=lambda: tiny_teacher(backbone, CLASSES, backbone.device),
    )
    method.prepare(support)
    if isinstance(method, TrainableMethod) and next(method.trainable.parameters(), None) is not None:
        method.loss(images(family, info.needs, LABELS)).backward()
    if info.needs_validation:
        method.calibrate(support)
    with torch.no_grad():
        return method.classifier(CLASSES)(images(family, info.needs, None))


def runs(name: str, family: str) -> bool:
    """Whether a method gets through; how it fails on towers that it was not made for does not matter here."""
    try:
        run(name, family)
    except Exception:
        return False
    return True


def images(family: str, needs: frozenset, labels: Tensor | None) -> Batch:
    return batch_of(small_backbone(family), pixels_of(family), labels, needs)


NOT_ALLOWED: dict[str, set[TowerUse]] = {
    "coca": {"text_tokens", "prompt_states", "image_projection"},
    "eva02": {"image_blocks"},
    "siglip2": set(get_args(TowerUse)),
    "pe-core": {"image_blocks", "prompt_states"},
    "metaclip2": {"text_tokens"},
    "biomedclip": {"image_blocks", "text_blocks", "text_tokens"},
    "xlm-r": {"text_blocks", "text_tokens"},
}
"""What the towers of a family do not allow."""
CAUTIOUS = {
    "metaclip2": {"text_tokens"},
    "siglip2": {"image_projection", "prompt_states"},
    "pe-core": {"prompt_states"},
}
"""Refused although it runs: whether a tokenizer has a start token is not known before its files are read, ProLIP would
train an identity matrix where there is no projection, and LDC would leave out the pooling by attention."""


def is_refused(info: MethodInfo, family: str) -> bool:
    if family == "resnet":
        return info.vision_transformer
    return bool(info.tower_use & NOT_ALLOWED[family])


SLOW = {"coca", "eva02", "siglip2", "pe-core", "metaclip2", "xlm-r"}
"""Further towers on which some methods do not run; `biomedclip` is one of them, too."""


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in (*NOT_ALLOWED, "resnet")],
)
def test_a_method_is_refused_exactly_where_it_does_not_run(family: str) -> None:
    spec = small_backbone(family).spec
    for info in list_methods():
        conflict = backbone_conflict(info, spec)
        assert (conflict is not None) is is_refused(info, family), info.name
        if conflict is None:
            assert run(info.name, family).isfinite().all(), info.name
        elif info.tower_use & NOT_ALLOWED.get(family, set()) - CAUTIOUS.get(family, set()):
            assert not runs(info.name, family), f"{info.name} runs, the plan refuses: {conflict}"
