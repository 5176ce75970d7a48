"""Device errors that are easy to make are each found, with CUDA's words and their line."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from pretended_device.process import Device, config_of
from torch import Tensor

from methods import METHODS, SupportView

TaskRes: Any = METHODS.get("task_res")


class Planted(TaskRes):
    """Does something wrong after its preparation."""

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.wrong(support)

    def wrong(self, support: SupportView) -> object: ...


class AddsZerosWithoutADevice(Planted):
    def wrong(self, support: SupportView) -> object:
        return self.trainable.vectors + torch.zeros(self.backbone.embed_dim)


class MakesAnArray(Planted):
    def wrong(self, support: SupportView) -> object:
        return support.labels.numpy()


class DrawsByAGeneratorOfTheCPU(Planted):
    def wrong(self, support: SupportView) -> object:
        return torch.nn.init.normal_(self.trainable.vectors, generator=self.generator)


class TakesRowsOfATableOnTheCPU(Planted):
    def wrong(self, support: SupportView) -> object:
        return torch.eye(len(support.classes))[support.labels]


class ComputesInDouble(METHODS.get("linear_probe")):  # type: ignore[misc]
    """Computes in double precision wherever its features are."""

    def regression_inputs(self, features: Tensor) -> Tensor:
        return features.double()


ERRORS: dict[Any, str] = {
    AddsZerosWithoutADevice: "Expected all tensors to be on the same device",
    MakesAnArray: "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()",
    DrawsByAGeneratorOfTheCPU: "Expected a 'cuda' device type for generator but found 'cpu'",
    TakesRowsOfATableOnTheCPU: "indices should be either on cpu or on the same device",
}
"""CUDA's words by method."""


@pytest.mark.parametrize("method", ERRORS)
def test_a_planted_device_error_is_found_with_its_line(method: Any, pretended_device: Device) -> None:
    error = pretended_device.trial(method, config_of(TaskRes)).error
    assert ERRORS[method] in error
    _, first = inspect.getsourcelines(method.wrong)
    assert f"{__file__}:{first + 1}" in error


def test_a_method_in_double_precision_is_refused_with_its_line(device_without_float64: Device) -> None:
    error = device_without_float64.trial(ComputesInDouble, config_of(METHODS.get("linear_probe"))).error
    assert "the MPS framework doesn't support float64" in error
    assert __file__ in error
