"""Seconds, memory and FLOPs of two implementations of the same work, measured in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from _table import PLAIN, Goal, Row
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode


@dataclass
class Side:
    """One implementation of some work. `run` returns tensors, which are compared with those of the other side."""

    run: Callable[[], list[Tensor]]


def measure(ours: Side, plain: Side, repeats: int) -> tuple[float, float, float]:
    """Median seconds of both sides, measured in turns, and the largest relative difference of their results."""
    a, b = ours.run(), plain.run()
    worst = max((float((x - y).norm() / y.norm()) for x, y in zip(a, b, strict=True)), default=0.0)
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(repeats):
        for side, name in ((ours, "ours"), (plain, "plain")):
            seconds[name] += turn(side)
    return statistics.median(seconds["ours"]), statistics.median(seconds["plain"]), worst


def turn(side: Side, at_least: float = 1.0) -> list[float]:
    """Seconds of consecutive runs, like steps of a training.

    A short run directly after the other side is not counted, since memory and caches hold the other side's data. A run
    of at least `at_least` seconds is a turn by itself.
    """
    first = _seconds(side)
    if first >= at_least:
        return [first]
    counted: list[float] = []
    while sum(counted) < at_least:
        counted.append(_seconds(side))
    return counted


def _seconds(side: Side) -> float:
    start = time.perf_counter()
    side.run()
    return time.perf_counter() - start


def compared(
    work: str, goal: Goal, sides: tuple[Side, Side], repeats: int, note: str = "", against: str = PLAIN
) -> Row:
    ours, plain, worst = measure(*sides, repeats)
    return Row(work, goal, ours, plain, worst, note, against)


def matmul_rate() -> float:
    """FLOP/s of plain products with the shapes of a block's MLP on a few hundred positions."""
    rates = []
    for width in (512, 768):
        x, w = torch.randn(512, width), torch.randn(width, 4 * width)
        x @ w
        start = time.perf_counter()
        for _ in range(20):
            x @ w
        rates.append(20 * 2 * 512 * width * 4 * width / (time.perf_counter() - start))
    return statistics.mean(rates)


def gflop(side: Side) -> float:
    """GFLOP of the matrix products of one run."""
    with FlopCounterMode(display=False) as counter:
        side.run()
    return counter.get_total_flops() / 1e9


def efficiency(side: Side, repeats: int) -> tuple[float, float]:
    """GFLOP of one run, and its rate as a share of the machine's; the machine is measured before and after."""
    side.run()
    work, shares = gflop(side), []
    for _ in range(repeats):
        before = matmul_rate()
        start = time.perf_counter()
        side.run()
        seconds = time.perf_counter() - start
        shares.append(1e9 * work / seconds / ((before + matmul_rate()) / 2))
    return work, statistics.median(shares)


KINDS = {
    "matrix products": ("mm", "addmm", "bmm", "mkldnn_linear"),
    "attention": ("scaled_dot_product", "softmax"),
    "activation": ("gelu", "sigmoid", "relu"),
    "norms": ("layer_norm",),
    "copies": ("copy_", "cat", "index", "gather", "repeat", "clone", "slice", "fill_", "zero_", "contiguous"),
}
"""Kinds of torch's operators by words in their names."""


def profile(side: Side, repeats: int) -> dict[str, float]:
    """The share of each kind of operator in the time of all operators; `rest` is element-wise and small."""
    side.run()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for _ in range(repeats):
            side.run()
    spent = dict.fromkeys([*KINDS, "rest"], 0.0)
    for event in profiler.key_averages():
        name = event.key.removeprefix("aten::")
        kinds = (kind for kind, words in KINDS.items() if any(w in name for w in words))
        spent[next(kinds, "rest")] += event.self_cpu_time_total
    total = sum(spent.values())
    return {kind: seconds / total for kind, seconds in spent.items()}


def memory(field: str) -> int:
    """Bytes of a field of Linux's process status: VmRSS now, VmHWM at the peak since `start_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024


def start_peak() -> int:
    """Reset the peak, since loading a model briefly holds it twice; returns the resident bytes now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")
