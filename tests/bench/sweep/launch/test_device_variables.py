"""The environment of workers on a GPU."""

from __future__ import annotations

import pytest

from bench.context import RunContext
from bench.sweep.launch.pool import worker_environment
from bench.sweep.launch.worker_limits import device_variables, set_device_variables

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def test_cublas_repeats_its_bits_unless_the_user_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WORKSPACE, raising=False)
    assert device_variables("cuda") == {WORKSPACE: ":4096:8"}
    assert device_variables("cuda:1") == {WORKSPACE: ":4096:8"}
    assert device_variables("cpu") == {}
    assert worker_environment(2, "cuda")[WORKSPACE] == ":4096:8"
    assert WORKSPACE not in worker_environment(2)
    monkeypatch.setenv(WORKSPACE, ":16:8")
    assert device_variables("cuda") == {}
    set_device_variables(RunContext(device="cuda"))
    assert worker_environment(2, "cuda")[WORKSPACE] == ":16:8"
