"""Towers of every kind with weights held in half precision give the bits of weights that autocast rounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from small_towers import SMALL_COCA, SMALL_EVA, TINY_CONFIG, backbone_of
from torch import Tensor

from methods import Backbone, Precision

SMALL_RESNET: dict[str, Any] = TINY_CONFIG | {
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None}
}


def features(backbone: Backbone) -> tuple[Tensor, Tensor, Tensor]:
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
    exact = features(backbone)
    held, rounded = replace(backbone, precision=precision), replace(backbone, precision=precision)
    found = features(held)
    assert any(p.dtype is precision.dtype for p in held.frozen.in_precision(precision).model.parameters())
    monkeypatch.setattr("methods._backbones.frozen_model.with_half_weights", lambda model, _: model)
    for one, other, plain in zip(found, features(rounded), exact, strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, plain)
