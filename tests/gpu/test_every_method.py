"""Every registered method gives the logits of the CPU on another device, and rounds no frozen weight twice."""

from __future__ import annotations

import enum
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from families_of_methods import one_of_each_family, some_fast
from pretended_device.process import ROUNDING, Device, DeviceOutcome, config_of
from pydantic import ValidationError
from torch import Tensor

from methods import METHODS, Batch, MethodConfig, image_views

CLIPLoRA: Any = METHODS.get("clip_lora")
HALF_ROUNDING = 0.1
"""Relative difference allowed after three steps in bf16, which autocast applies to other operations on CUDA."""
ROUNDS_BIASES = {"clip_svd"}
"""Methods whose blocks multiply weights of their own, made in fp32, and round the frozen biases with them."""
DECIDED_BY_ROUNDING = {"boost_adapter", "c_tpt", "dmn_zs", "promptsrc", "tip_adapter", "tpt", "zero"}
"""Methods whose chosen views, searched values or first steps depend on where a number is rounded."""
MORE: dict[str, list[dict[str, object]]] = {
    "coop": [
        {"ctx_init": "", "n_ctx": 4, "class_position": "middle"},
        {"ctx_init": "", "n_ctx": 4, "class_position": "front"},
        {"ctx_init": "", "n_ctx": 4, "class_specific": True},
    ],
    "cocoop": [{"ctx_init": ""}],
    "clip_lora": [{"dropout": 0.0}],
    "apex": [{"ensemble_weight": "fixed", "ensemble": "text"}],
}
"""Combinations that no single switch reaches."""


def repeated_casts(outcome: DeviceOutcome) -> dict[str, dict[str, int]]:
    """Lines that round frozen weights to half precision where they run again and again."""
    return {work: lines for work, lines in outcome.casts.items() if lines}


@pytest.mark.parametrize("name", one_of_each_family(METHODS))
def test_a_method_gives_the_logits_of_the_cpu(name: str, pretended_device: Device) -> None:
    method = METHODS.get(name)
    outcome = pretended_device.trial(method, config_of(method))
    assert outcome.error == ""
    assert outcome.difference <= ROUNDING, outcome.where


@pytest.mark.parametrize("name", some_fast(list(METHODS), {"coop", "vpt"}))
def test_bf16_gives_the_logits_of_the_cpu_and_rounds_each_frozen_weight_once(
    name: str, pretended_device: Device
) -> None:
    method = METHODS.get(name)
    outcome = pretended_device.trial(method, config_of(method), "bf16")
    assert outcome.error == ""
    assert name in ROUNDS_BIASES or repeated_casts(outcome) == {}
    assert outcome.difference <= (2 if name in DECIDED_BY_ROUNDING else HALF_ROUNDING), outcome.where


class CastsItsTower(CLIPLoRA):
    """Takes the blocks whose weights are in fp32, which are then rounded in each forward pass."""

    def image_features(self, batch: Batch, dropout: Any = None) -> Tensor:
        blocks = self.trainable.image.views(image_views(self.backbone.image_tower), dropout)
        return self.backbone.encode_image(batch.pixels, blocks=blocks)


def test_a_weight_that_is_rounded_in_each_step_is_found_with_its_line(pretended_device: Device) -> None:
    outcome = pretended_device.trial(CastsItsTower, config_of(CLIPLoRA), "bf16")
    assert outcome.error == ""
    found = repeated_casts(outcome)
    assert set(found) == {"step", "evaluate"}
    assert any(place.startswith("methods/_towers/blocks.py:") for place in found["step"])


def choices(annotation: Any) -> list[Any]:
    """The values of a Literal, a bool or an enum, also as a part of a union."""
    if annotation is bool:
        return [True, False]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return list(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [value for part in typing.get_args(annotation) for value in choices(part)]


def switched(config: MethodConfig) -> Iterator[dict[str, Any]]:
    """Each other value of each switch, one at a time."""
    for name, field in type(config).model_fields.items():
        for value in choices(field.annotation):
            if value != getattr(config, name):
                yield {name: value}


@pytest.mark.slow  # the tests above run the same lines with default settings
@pytest.mark.parametrize("name", list(METHODS))
def test_a_switch_gives_the_logits_of_the_cpu(name: str, pretended_device: Device) -> None:
    method = METHODS.get(name)
    for change in [*switched(config_of(method)), *MORE.get(name, [])]:
        config = config_of(method)
        try:
            config = type(config).model_validate(config.model_dump() | change)
        except ValidationError:
            continue  # the settings refuse it
        if config.config_error():
            continue  # so does the plan
        outcome = pretended_device.trial(method, config)
        assert outcome.error == "", change
        assert outcome.difference <= ROUNDING, (change, outcome.where)


@pytest.mark.parametrize("name", some_fast(list(METHODS), {"linear_probe", "ape", "gda"}))
def test_a_method_needs_no_double_precision_on_a_device_without_it(name: str, device_without_float64: Device) -> None:
    """The fast ones fit or keep numbers in double precision, on the CPU."""
    method = METHODS.get(name)
    outcome = device_without_float64.trial(method, config_of(method))
    assert (outcome.error, outcome.difference <= ROUNDING) == ("", True), outcome.where
