"""What one run costs: seconds by phase, passes through the towers, peak memory."""

import ctypes
import gc
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from bench.experiment.checkpoints import Progress
from bench.record import Cost
from methods import Backbone, Method

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class CostMeter:
    """Measures one run, from the creation of the meter on, in a process that may do many runs."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._seconds = dict.fromkeys(("prepare", "train", "select", "eval"), 0.0)
        self._passes_before = self._passes()
        self._memory_before = memory_at_start(backbone.device)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase (`prepare`, `train`, `select` or `eval`); on CUDA it ends with a synchronisation."""
        start = time.perf_counter()
        yield
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self._seconds[name] = time.perf_counter() - start

    def reading(self) -> tuple[float, ...]:
        """A steady clock in seconds and the passes of the process so far: image, prompted image, text."""
        return time.perf_counter(), *map(float, self._passes())

    def cost(self, method: Method[Any], trained: Progress | None, earlier: Sequence[float] = ()) -> Cost:
        """The cost so far; `earlier` are differences of `reading` over earlier parts of an interrupted training."""
        peak = peak_memory(self._backbone.device)
        before_seconds, *before_passes = earlier or (0.0, 0, 0, 0)
        image, prompted_image, text = (
            float(before + now - start)
            for before, now, start in zip(before_passes, self._passes(), self._passes_before, strict=True)
        )
        return Cost(
            trainable_parameters=method.learned_parameters(),
            prepare_seconds=self._seconds["prepare"],
            train_seconds=before_seconds + self._seconds["train"] + self._seconds["select"],
            eval_seconds=self._seconds["eval"],
            steps=trained.steps if trained else 0,
            peak_memory_bytes=peak,
            added_memory_bytes=None if self._memory_before is None else max(0, peak - self._memory_before),
            image_passes=image,
            prompted_image_passes=prompted_image,
            text_passes=text,
            fits=method.tuning.fits + (trained is not None),
            candidate_evaluations=method.tuning.evaluations,
            tuning_seconds=method.tuning.seconds + self._seconds["select"],
        )

    def _passes(self) -> tuple[Fraction, Fraction, Fraction]:
        passes = self._backbone.passes
        return passes.image, passes.prompted_image, passes.text


def memory_at_start(device: torch.device) -> int | None:
    """Bytes held at the start of a run, from which its peak is measured; None where the system cannot reset a peak.

    On the CPU, freed memory that the C library keeps for later is returned to the system first. Otherwise a run that
    reuses it would seem to need less than the first run of its process.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    if sys.platform != "linux":
        return None
    with suppress(OSError, AttributeError):  # no such file in some sandboxes, and no such function in other C libraries
        ctypes.CDLL(None).malloc_trim(0)
        _CLEAR.write_text("5")  # see proc(5): resets the peak resident set to the resident set
        return _status("VmRSS")
    return None


def peak_memory(device: torch.device) -> int:
    """Bytes since `memory_at_start`: the most allocated (CUDA), or the peak resident set of the process (CPU)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        return _status("VmHWM")
    return _process_peak()


def _status(name: str) -> int:
    """A size in bytes from proc(5)."""
    return next(int(line.split()[1]) for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:")) * 1024


def _process_peak() -> int:
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
