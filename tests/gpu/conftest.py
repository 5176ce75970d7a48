"""What the tests of devices share: another device, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.conformance.device_process import DeviceProcess, device_process, has_gpu, why_no_device
from bench.conformance.pretended_device import why_unavailable


@pytest.fixture(scope="session")
def other_device() -> DeviceProcess:
    """A process with a real GPU where there is one, else with a pretended one."""
    if reason := why_no_device():
        pytest.skip(reason)
    return device_process()


@pytest.fixture(scope="session")
def device_without_float64() -> Iterator[DeviceProcess]:
    """A process with a pretended GPU that refuses double precision, as Apple's MPS does."""
    if reason := why_unavailable():
        pytest.skip(reason)
    with DeviceProcess(pretended=True, float64=False) as device:
        yield device


@pytest.fixture(scope="session")
def pretended_device() -> DeviceProcess:
    """A process with a pretended GPU, which counts operations."""
    if reason := why_unavailable():
        pytest.skip(reason)
    if has_gpu():
        pytest.skip("a machine with a GPU measures in place of counting: `make gpu`")
    return device_process()
