"""What the tests of devices share: a pretended GPU, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from pretended_device.compiled_guard import why_unavailable
from pretended_device.process import DeviceProcess, device_process


@pytest.fixture(scope="session")
def device_without_float64() -> Iterator[DeviceProcess]:
    """A process with a pretended GPU that refuses double precision, as Apple's MPS does."""
    if reason := why_unavailable():
        pytest.skip(reason)
    with DeviceProcess(float64=False) as device:
        yield device


@pytest.fixture(scope="session")
def pretended_device() -> DeviceProcess:
    """A process with a pretended GPU, which counts operations."""
    if reason := why_unavailable():
        pytest.skip(reason)
    if torch.cuda.is_available():
        pytest.skip("a machine with a GPU measures in place of counting: `make gpu`")
    return device_process()
