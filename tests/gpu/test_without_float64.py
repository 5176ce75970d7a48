"""Methods on a device without double precision, such as Apple's MPS: what needs it is computed on the CPU."""

from __future__ import annotations

from typing import Any

import pytest
from device_budgets import config_of
from pretended_device.process import ROUNDING, DeviceProcess
from torch import Tensor

from methods import METHODS

LinearProbe: Any = METHODS.get("linear_probe")
IN_DOUBLE = ("linear_probe", "ape", "gda")
"""Methods that fit or keep numbers in double precision."""


@pytest.mark.parametrize(
    "selection",
    ["ensemble", pytest.param("validation", marks=pytest.mark.slow), pytest.param("oracle", marks=pytest.mark.slow)],
)
def test_the_linear_probe_gives_the_logits_of_the_cpu(selection: str, device_without_float64: DeviceProcess) -> None:
    config = config_of(LinearProbe).model_copy(update={"selection": selection})
    outcome = device_without_float64.trial(LinearProbe, config)
    assert outcome.error == ""
    assert outcome.difference <= ROUNDING, outcome.where


@pytest.mark.parametrize("name", ["ape", "gda"])
def test_a_kept_number_in_double_precision_stays_on_the_cpu(name: str, device_without_float64: DeviceProcess) -> None:
    method = METHODS.get(name)
    outcome = device_without_float64.trial(method, config_of(method))
    assert (outcome.error, outcome.difference <= ROUNDING) == ("", True), outcome.where


@pytest.mark.slow  # the methods above are those with double precision
@pytest.mark.parametrize("name", [name for name in METHODS if name not in IN_DOUBLE])
def test_no_other_method_needs_double_precision(name: str, device_without_float64: DeviceProcess) -> None:
    method = METHODS.get(name)
    outcome = device_without_float64.trial(method, config_of(method))
    assert (outcome.error, outcome.difference <= ROUNDING) == ("", True), outcome.where


class ProbeInDouble(LinearProbe):
    """Computes in double precision wherever its features are."""

    def regression_inputs(self, features: Tensor) -> Tensor:
        return features.double()


def test_a_method_in_double_precision_is_refused_with_its_line(device_without_float64: DeviceProcess) -> None:
    outcome = device_without_float64.trial(ProbeInDouble, config_of(LinearProbe))
    assert "the MPS framework doesn't support float64" in outcome.error
    assert "test_without_float64.py" in outcome.error
