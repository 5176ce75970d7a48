"""Peak memory of one training step, each side in a separate process, since a peak never falls."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from _measure import memory, start_peak
from _steps import COOP16, pair
from _table import NO_GOAL, Goal, Row

from methods import MethodConfig


@dataclass(frozen=True)
class Case:
    """A measured step.

    Args:
        plain: whether the plain side fits into memory.
        memory_at_least: bound of the ratio of the two peaks.
    """

    work: str
    goal: Goal
    method: str
    classes: int
    batch: int
    config: MethodConfig | None = None
    plain: bool = True
    memory_at_least: float = 0.0


FITS = Goal(words="fits")
CASES = {
    "coop500": Case(
        "CoOp step, 500 classes, 16 ctx", Goal(at_least=18, words="memory >= 8x lower"), "coop", 500, 32, COOP16,
        memory_at_least=8,
    ),
    "coop1000": Case("CoOp step, 1000 classes, 16 ctx", FITS, "coop", 1000, 32, COOP16, plain=False),
    "coop4000": Case("CoOp step, 4000 classes, 16 ctx (in chunks)", FITS, "coop", 4000, 32, COOP16, plain=False),
    "cocoop1000": Case("CoCoOp step, 4 images x 1000 classes (in chunks)", FITS, "cocoop", 1000, 4, plain=False),
    "maple_memory": Case("MaPLe step, batch 4, 50 classes, memory", NO_GOAL, "maple", 50, 4),
    "apex_memory": Case("APEX step, batch 16, 50 classes, memory", NO_GOAL, "apex", 50, 16),
}  # fmt: skip


def memory_row(name: str) -> Row:
    """Seconds and peak memory of both sides."""
    case, results = CASES[name], {}
    for side in ("ours", "plain") if case.plain else ("ours",):
        driver = Path(__file__).with_name("run.py")
        command = [sys.executable, str(driver), "--alone", f"{name}:{side}", "--threads", str(torch.get_num_threads())]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        results[side] = json.loads(done.stdout.splitlines()[-1])
    ours, plain = results["ours"], results.get("plain")
    note = f"peak above the loaded model: {ours['bytes'] / 2**30:.2f} GiB"
    if plain is None:
        return Row(case.work, case.goal, ours["seconds"], note=note)
    less = plain["bytes"] / ours["bytes"]
    note += f", plain {plain['bytes'] / 2**30:.2f} GiB ({less:.1f}x)"
    reached = less >= case.memory_at_least
    return Row(case.work, case.goal, ours["seconds"], plain["seconds"], note=note, reached=reached)


def alone(text: str) -> None:
    """Run one side of a case in this process and print its seconds and bytes."""
    name, side = text.split(":")
    case = CASES[name]
    ours, plain = pair(case.method, case.classes, case.batch, config=case.config)
    before = start_peak()
    chosen, seconds = ours if side == "ours" else plain, []
    for _ in range(3 if side == "ours" else 1):
        start = time.perf_counter()
        chosen.run()
        seconds.append(time.perf_counter() - start)
    sys.stdout.write(json.dumps({"seconds": min(seconds), "bytes": memory("VmHWM") - before}) + "\n")
