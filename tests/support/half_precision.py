"""bfloat16 on processors whose instructions a test run restricts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def skipped_without_kernel() -> Iterator[None]:
    """Skips the test if torch picks a kernel by the processor that `ATEN_CPU_CAPABILITY=default` has switched off."""
    try:
        yield
    except RuntimeError as error:
        if "pack_vnni2" not in str(error):
            raise
        pytest.skip(f"torch: {error}")
