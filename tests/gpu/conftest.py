"""What the tests of devices share: a pretended GPU, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from pretended_device.compiled_guard import why_unavailable
from pretended_device.process import DeviceProcess, device_process


@pytest.fixture(scope="session")
def needs_compiler() -> None:
    """The pretended GPU has a part that is compiled."""
    if reason := why_unavailable():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def device_without_float64(needs_compiler: None) -> Iterator[DeviceProcess]:
    """A process with a pretended GPU that refuses double precision, as Apple's MPS does."""
    with DeviceProcess(float64=False) as device:
        yield device


@pytest.fixture(scope="session")
def pretended_device(needs_compiler: None) -> DeviceProcess:
    """A process with a pretended GPU, which counts operations."""
    if torch.cuda.is_available():
        pytest.skip("a machine with a GPU measures in place of counting: `make gpu`")
    return device_process()
