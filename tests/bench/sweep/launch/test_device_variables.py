"""The environment of workers on a GPU, and how they spread over several."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench.context import RunContext
from bench.sweep.launch.processes import ProcessTransport, worker_environment
from bench.sweep.launch.tasks import Surroundings
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


def test_each_new_worker_gets_the_gpu_with_the_fewest() -> None:
    around = Surroundings(runs=Path("runs"), context=RunContext(device="cuda"))
    transport = ProcessTransport(around, 4, gpus=["3", "GPU-x"])
    given: list[Any] = []
    for number in range(4):
        given.append(transport._least_used_gpu())
        transport._workers[number] = cast(Any, SimpleNamespace(gpu=given[-1]))
    assert given == ["3", "GPU-x", "3", "GPU-x"]
    del transport._workers[1]
    assert transport._least_used_gpu() == "GPU-x"
    assert ProcessTransport(around, 4)._least_used_gpu() is None
