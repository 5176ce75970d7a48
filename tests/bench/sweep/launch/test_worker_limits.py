"""The environment of workers on a GPU, and kills for lack of memory, which are counted where the system says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.context import RunContext
from bench.sweep.launch.pool import worker_environment
from bench.sweep.launch.worker_limits import device_variables, kills_for_memory, set_device_variables

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


def test_kills_for_memory_are_those_of_this_container_before_those_of_the_machine(tmp_path: Path) -> None:
    own, machine = tmp_path / "memory.events", tmp_path / "vmstat"
    assert kills_for_memory([own, machine]) == 0
    machine.write_text("nr_free_pages 7\noom_kill 5\n")
    assert kills_for_memory([own, machine]) == 5
    own.write_text("low 0\noom 3\noom_kill 2\noom_group_kill 9\n")
    assert kills_for_memory([own, machine]) == 2
    own.write_text("oom_kill many\n")
    assert kills_for_memory([own, machine]) == 5
