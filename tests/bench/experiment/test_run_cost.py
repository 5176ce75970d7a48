"""The memory of a run does not depend on the runs before it in the same process."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from bench.experiment import run_cost as module
from bench.experiment.run_cost import CostMeter, memory_at_start, peak_memory
from bench.record import Cost

CPU = torch.device("cpu")
MIB = 2**20
BLOCK = 64 * 2**10
"""Bytes of one block: small enough that the C library keeps it after it is freed."""
PASSES = SimpleNamespace(image=0, prompted_image=0, text=0)
BACKBONE = cast(Any, SimpleNamespace(device=CPU, passes=PASSES))
METHOD = cast(
    Any,
    SimpleNamespace(learned_parameters=lambda: 0, tuning=SimpleNamespace(fits=0, evaluations=0, seconds=0.0)),
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reset the peak of a process")


def blocks(mib: int) -> list[torch.Tensor]:
    return [torch.ones(BLOCK, dtype=torch.uint8) for _ in range(mib * MIB // BLOCK)]


def measured(mib: int) -> Cost:
    """The cost of a run that holds that many MiB for a moment."""
    meter = CostMeter(BACKBONE)
    blocks(mib)
    return meter.cost(METHOD, None)


@linux
@pytest.mark.parametrize("order", [(40, 40, 40), (160, 40, 80), (80, 160, 40)])
def test_added_memory_is_that_of_the_run_wherever_it_is_in_a_sweep(order: tuple[int, ...]):
    kept = []
    for mib in order:
        added = measured(mib).added_memory_bytes
        assert added / MIB == pytest.approx(mib, rel=0.25)
        kept.append(blocks(30))  # what a process keeps from one run to the next, such as features


@linux
def test_memory_held_before_a_run_is_not_part_of_it():
    held = blocks(200)
    cost = measured(20)
    assert cost.added_memory_bytes < 60 * MIB < 200 * MIB < cost.peak_memory_bytes
    assert held


@pytest.mark.parametrize("missing", ["platform", "files"])
def test_where_the_peak_cannot_be_reset_no_added_memory_is_recorded(missing, monkeypatch, tmp_path):
    if missing == "platform":
        monkeypatch.setattr(module.sys, "platform", "win32" if sys.platform == "win32" else "darwin")
    else:
        monkeypatch.setattr(module, "_STATUS", tmp_path / "absent")
        monkeypatch.setattr(module, "_CLEAR", tmp_path / "no" / "folder")
    assert memory_at_start(CPU) is None
    assert measured(1).added_memory_bytes is None
    assert peak_memory(CPU) > MIB
