"""The peak memory of a run is not that of an earlier and larger run of the same process."""

from __future__ import annotations

import sys

import pytest
import torch

from bench.experiment import cost as module
from bench.experiment.cost import peak_memory, reset_peak_memory

CPU = torch.device("cpu")
BIG = 200 * 2**20


def held(size: int) -> int:
    """The peak after briefly holding that many bytes."""
    reset_peak_memory(CPU)
    block = torch.ones(size, dtype=torch.uint8)
    del block
    return peak_memory(CPU)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reset the peak of a process")
def test_a_small_run_after_a_large_one_has_a_small_peak():
    large, small = held(BIG), held(1)
    assert large - small > BIG // 2


def test_without_a_proc_file_system_the_peak_of_the_process_is_returned(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_STATUS", tmp_path / "absent")
    monkeypatch.setattr(module, "_CLEAR", tmp_path / "no" / "folder")
    reset_peak_memory(CPU)
    assert peak_memory(CPU) > 2**20
