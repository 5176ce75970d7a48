"""What the tests of devices share: a process with a pretended GPU, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pretended_device.compiled_guard import why_unavailable
from pretended_device.process import Device


@pytest.fixture(scope="session")
def needs_compiler() -> None:
    """The pretended GPU has a part that is compiled."""
    if reason := why_unavailable():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def pretended_device(needs_compiler: None) -> Iterator[Device]:
    with Device() as device:
        yield device


@pytest.fixture(scope="session")
def device_without_float64(needs_compiler: None) -> Iterator[Device]:
    """It refuses double precision, as Apple's MPS does."""
    with Device(float64=False) as device:
        yield device
