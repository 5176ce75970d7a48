"""Towers in half precision: every method trains and answers on them, in fp32 outside and near what fp32 gives."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from families_of_methods import some_fast
from parity_kit import batch_of, class_set, images, support_view, tiny_backbone
from short_settings import SHORT
from small_towers import SMALL_COCA, SMALL_EVA, TINY_CONFIG, backbone_of
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bench.experiment.training_loop import make_optimizer, train_step
from datasets_registry import EvalProtocol
from methods import METHODS, Backbone, Method, Precision, TrainableMethod
from methods._backbones.backbone import compute_without_memory

CLASSES = class_set("base")
LABELS = torch.arange(2 * len(CLASSES)) // 2


def backbone_in(precision: Precision) -> Backbone:
    return replace(tiny_backbone(), precision=precision, text_memory=compute_without_memory)


def answer(name: str, precision: Precision) -> tuple[Method, Tensor]:
    """A method after one training step, and its logits on test images."""
    backbone, info = backbone_in(precision), METHODS.get(name).info
    settings = info.default_config(EvalProtocol.BASE_TO_NEW).model_dump() | SHORT.get(name, {})
    config = info.config.model_validate(settings)
    method = METHODS.get(name)(backbone, config, torch.Generator().manual_seed(0))
    method.prepare(support_view(backbone, CLASSES))
    if isinstance(method, TrainableMethod):
        recipe = info.recipes.get(EvalProtocol.BASE_TO_NEW) or info.recipes[EvalProtocol.FEW_SHOT]
        batch = batch_of(backbone, images("train")[: len(LABELS)], LABELS, info.needs)
        train_step(method, batch, make_optimizer(recipe, method.parameter_groups()))
        method.on_epoch_end(0, 1)
        method.finalise()
    if info.needs_validation:
        method.calibrate(support_view(backbone, CLASSES, mirrored=True))
    with torch.no_grad():
        return method, method.classifier(CLASSES)(batch_of(backbone, images("test"), None, info.needs))


@pytest.mark.parametrize("name", some_fast(list(METHODS), {"clip_adapter", "coop", "vpt"}))
def test_every_method_works_on_towers_in_bf16(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are held in bf16 give the bits of weights that autocast rounds."""
    method, logits = answer(name, Precision.BF16)
    assert logits.dtype is torch.float32
    assert torch.isfinite(logits).all()
    if isinstance(method, TrainableMethod):
        assert {p.dtype for p in method.trainable.parameters()} == {torch.float32}
    monkeypatch.setattr("methods._backbones.frozen_model.with_half_weights", lambda model, _: model)
    assert torch.equal(logits, answer(name, Precision.BF16)[1])


@pytest.mark.parametrize("name", ["zero_shot", "coop", "cocoop", "maple", "clip_lora", "mma", "vpt", "apex"])
@pytest.mark.parametrize("precision", [Precision.BF16, Precision.FP16])
def test_logits_are_near_those_of_fp32(name: str, precision: Precision) -> None:
    exact, near = answer(name, Precision.FP32)[1], answer(name, precision)[1]
    assert not torch.equal(exact, near), "ran in fp32"
    scale = tiny_backbone().logit_scale
    torch.testing.assert_close(near / scale, exact / scale, atol=0.02, rtol=0)


class CastsOf(TorchDispatchMode):
    """Counts the casts of some tensors."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        super().__init__()
        self.places = {tensor.data_ptr() for tensor in tensors}
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._to_copy.default and args[0].data_ptr() in self.places
        return func(*args, **(kwargs or {}))


def casts_of_frozen_weights(name: str) -> int:
    weights = tiny_backbone().model.parameters()
    with CastsOf(weights) as casts:
        answer(name, Precision.BF16)
    return casts.count


@pytest.mark.parametrize("name", some_fast(["coop", "cocoop", "maple", "vpt", "promptsrc"], {"coop", "vpt"}))
def test_no_step_rounds_the_frozen_weights_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    once = sum(1 for _ in tiny_backbone().model.parameters())
    assert casts_of_frozen_weights(name) <= once
    monkeypatch.setattr("methods._backbones.frozen_model.with_half_weights", lambda model, _: model)
    assert casts_of_frozen_weights(name) > once


def test_copies_of_a_backbone_share_the_held_weights_and_the_digest_stays() -> None:
    backbone = backbone_in(Precision.BF16)
    before = backbone.digest
    backbone.encode_image(images("test"))
    assert copy(backbone)._image is backbone._image
    assert backbone._image is not backbone.image_tower
    assert {p.dtype for p in backbone.model.parameters()} == {torch.float32}
    assert replace(backbone).digest == before
    backbone.precision = Precision.FP32
    assert backbone._image is backbone.image_tower


def test_fp32_is_the_plain_arithmetic() -> None:
    features = backbone_in(Precision.FP32).encode_image(images("test"))
    assert torch.equal(features, tiny_backbone().encode_image(images("test")))


SMALL_RESNET: dict[str, Any] = TINY_CONFIG | {
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None}
}


def all_features(backbone: Backbone) -> tuple[Tensor, Tensor, Tensor]:
    """Image features without and with gradients enabled, and text features."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(3, 3, backbone.image_size, backbone.image_size, generator=generator)
    with torch.no_grad():
        image = backbone.encode_image(pixels)
    return image, backbone.encode_image(pixels), backbone.encode_texts(["a cat", "a photo of a dog"])


@pytest.mark.parametrize(
    "config",
    [TINY_CONFIG, SMALL_COCA, pytest.param(SMALL_EVA, marks=pytest.mark.slow), SMALL_RESNET],
    ids=["vit", "coca", "eva", "resnet"],
)
@pytest.mark.parametrize("precision", [Precision.BF16, Precision.FP16])
def test_held_weights_change_no_bit(
    config: dict[str, Any], precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = backbone_of(config)
    exact = all_features(backbone)
    held, rounded = replace(backbone, precision=precision), replace(backbone, precision=precision)
    found = all_features(held)
    assert any(p.dtype is precision.dtype for p in held.frozen.in_precision(precision).model.parameters())
    monkeypatch.setattr("methods._backbones.frozen_model.with_half_weights", lambda model, _: model)
    for one, other, plain in zip(found, all_features(rounded), exact, strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, plain)
