"""Measures the cost of one run, its own and that of shared features: seconds by phase, tower passes, peak memory."""

import ctypes
import gc
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from bench.experiment.accelerator import synchronize
from bench.experiment.checkpoints import Progress
from bench.experiment.features.shared_cost import Account, own_clock
from bench.record import Cost
from methods import Backbone, Method

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class CostMeter:
    """Measures one run, starting at the creation of the meter, in a process that may do many runs.

    `account` has what the run uses of the shared features; everything else is what it needs itself.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self.account = Account(backbone.passes)
        self._seconds = dict.fromkeys(("prepare", "train", "select", "eval"), 0.0)
        self._counted: tuple[Fraction, ...] = (Fraction(0),) * 3
        self._began: tuple[Fraction, ...] = self._counted
        self._counting = False
        self._memory_before = memory_at_start(backbone.device)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase (`prepare`, `train`, `select` or `eval`) with the device's work, and count its passes."""
        start = own_clock()
        self._began, self._counting = self._all_passes(), True
        with self.account.open(name):
            yield
        self._counted, self._counting = self._passes(), False
        synchronize(self._backbone.device)
        self._seconds[name] = own_clock() - start

    def reading(self) -> tuple[float, ...]:
        """The cost so far: own seconds; own image, prompted image and text passes; shared nanoseconds and passes."""
        account = self.account
        shared = account.nanoseconds["train"], float(account.images), float(account.texts)
        return own_clock(), *map(float, self._passes()), *shared

    def cost(self, method: Method[Any], trained: Progress | None, earlier: Sequence[float] = ()) -> Cost:
        """The cost so far; `earlier` are differences of `reading` over earlier parts of an interrupted training."""
        peak = peak_memory(self._backbone.device)
        account, shared_before = self.account, earlier[4:] or (0, 0.0, 0.0)
        before_seconds, *before_passes = earlier[:4] or (0.0, 0, 0, 0)
        image, prompted_image, text = (
            float(before + now) for before, now in zip(before_passes, self._passes(), strict=True)
        )
        learned = shared_before[0] + account.nanoseconds["train"] + account.nanoseconds["select"]
        before = self._memory_before
        return Cost(
            trainable_parameters=method.learned_parameters(),
            prepare_seconds=self._seconds["prepare"],
            train_seconds=before_seconds + self._seconds["train"] + self._seconds["select"],
            eval_seconds=self._seconds["eval"],
            steps=trained.steps if trained else 0,
            peak_memory_bytes=peak,
            added_memory_bytes=None if before is None else max(0, peak - before),
            image_passes=image,
            prompted_image_passes=prompted_image,
            text_passes=text,
            fits=method.tuning.fits + (trained is not None),
            candidate_evaluations=method.tuning.evaluations,
            tuning_seconds=method.tuning.seconds + self._seconds["select"],
            shared_prepare_seconds=_seconds(account.nanoseconds["prepare"]),
            shared_train_seconds=_seconds(learned),
            shared_eval_seconds=_seconds(account.nanoseconds["eval"]),
            shared_image_passes=_known(float(shared_before[1] + account.images)),
            shared_text_passes=_known(float(shared_before[2] + account.texts)),
        )

    def _passes(self) -> tuple[Fraction, ...]:
        """The passes of this run so far."""
        if not self._counting:
            return self._counted
        now = self._all_passes()
        return tuple(done + b - a for done, a, b in zip(self._counted, self._began, now, strict=True))

    def _all_passes(self) -> tuple[Fraction, Fraction, Fraction]:
        passes = self._backbone.passes
        return passes.image, passes.prompted_image, passes.text


def _seconds(nanoseconds: float) -> float | None:
    return _known(nanoseconds / 1e9)


def _known(amount: float) -> float | None:
    return None if math.isnan(amount) else amount


def memory_at_start(device: torch.device) -> int | None:
    """Bytes in use at the start of a run, the baseline of its peak; None if the system cannot reset the peak.

    On the CPU, freed memory that the C library has kept is returned to the system first. Otherwise a run that reuses it
    would seem to need less than the first run of its process.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    if sys.platform != "linux":
        return None
    with suppress(OSError, AttributeError):  # some sandboxes lack the file, and other C libraries the function
        ctypes.CDLL(None).malloc_trim(0)
        _CLEAR.write_text("5")  # see proc(5): resets the peak resident set to the resident set
        return _status("VmRSS")
    return None


def peak_memory(device: torch.device) -> int:
    """Peak bytes since `memory_at_start`: allocated (CUDA), or the resident set of the process (CPU)."""
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
