"""Measures the cost of one run, its own and that of shared features: seconds by phase, tower passes, peak memory.

Every run that needs shared features is charged for them, whichever run computed them. Their cost is measured once, when
they are computed, and is kept with them. The time and the passes of computing or reading them are therefore left out of
what the run in progress needs itself.
"""

from __future__ import annotations

import ctypes
import gc
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.experiment.accelerator import synchronize
from bench.record import Cost
from methods import Backbone, Method, Passes

UNKNOWN = math.nan
"""The cost of features that were imported, or stored without it."""
_KEY_BYTES = 16
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class CostMeter:
    """Measures one run, starting at the creation of the meter, in a process that may do many runs.

    Each shared feature is charged once, in the phase that first reads it; everything else is what the run needs itself.

    Attributes:
        nanoseconds: of computing the shared features, by phase. `UNKNOWN` if that of any is unknown, like the next.
        images, texts: passes of the shared features through the frozen towers.
        charged: the keys of the features that were charged, by kind.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self.nanoseconds: defaultdict[str, float] = defaultdict(int)
        self.images: Fraction | float = Fraction(0)
        self.texts: Fraction | float = Fraction(0)
        self.charged: defaultdict[str, set[bytes]] = defaultdict(set)
        self._seconds = dict.fromkeys(("prepare", "train", "select", "eval"), 0.0)
        self._counted: tuple[Fraction, ...] = (Fraction(0),) * 3
        self._began: tuple[Fraction, ...] | None = None  # at the start of the phase in progress
        self._memory_before = memory_at_start(backbone.device)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase (`prepare`, `train`, `select` or `eval`) with the device's work, and count its passes.

        The shared features that are read inside the block are charged to it.
        """
        start = own_clock()
        self._began = self._all_passes()
        token = _OPEN.set((self, name))
        try:
            yield
        finally:
            _OPEN.reset(token)
        self._counted, self._began = self._passes(), None
        synchronize(self._backbone.device)
        self._seconds[name] = own_clock() - start

    @property
    def passes(self) -> Passes:
        """The counts of the backbone's passes."""
        return self._backbone.passes

    def dump_charged(self) -> dict[str, Tensor]:
        """The features that were charged, as tensors by kind, for a checkpoint."""
        by_kind = {kind: bytearray(b"".join(charged)) for kind, charged in self.charged.items() if charged}
        return {kind: torch.frombuffer(keys, dtype=torch.uint8) for kind, keys in by_kind.items()}

    def load_charged(self, tensors: Mapping[str, Tensor]) -> None:
        """Charge the features of an earlier part of the run no more; the inverse of `dump_charged`."""
        for kind, tensor in tensors.items():
            keys = tensor.numpy().tobytes()
            self.charged[kind] |= {keys[i : i + _KEY_BYTES] for i in range(0, len(keys), _KEY_BYTES)}

    def reading(self) -> tuple[float, ...]:
        """The cost so far: own seconds; own image, prompted image and text passes; shared nanoseconds and passes."""
        shared = self.nanoseconds["train"], float(self.images), float(self.texts)
        return own_clock(), *map(float, self._passes()), *shared

    def cost(self, method: Method[Any], steps: int | None, earlier: Sequence[float] = ()) -> Cost:
        """The cost so far, after `steps` of training; None for a method without.

        `earlier` are differences of `reading` over earlier parts of an interrupted training.
        """
        peak = peak_memory(self._backbone.device)
        shared_before = earlier[4:] or (0, 0.0, 0.0)
        before_seconds, *before_passes = earlier[:4] or (0.0, 0, 0, 0)
        image, prompted_image, text = (
            float(before + now) for before, now in zip(before_passes, self._passes(), strict=True)
        )
        learned = shared_before[0] + self.nanoseconds["train"] + self.nanoseconds["select"]
        before = self._memory_before
        return Cost(
            trainable_parameters=method.learned_parameters(),
            prepare_seconds=self._seconds["prepare"],
            train_seconds=before_seconds + self._seconds["train"] + self._seconds["select"],
            eval_seconds=self._seconds["eval"],
            steps=steps or 0,
            peak_memory_bytes=peak,
            added_memory_bytes=None if before is None else max(0, peak - before),
            image_passes=image,
            prompted_image_passes=prompted_image,
            text_passes=text,
            fits=method.tuning.fits + (steps is not None),
            candidate_evaluations=method.tuning.evaluations,
            tuning_seconds=method.tuning.seconds + self._seconds["select"],
            shared_prepare_seconds=_known(self.nanoseconds["prepare"] / 1e9),
            shared_train_seconds=_known(learned / 1e9),
            shared_eval_seconds=_known(self.nanoseconds["eval"] / 1e9),
            shared_image_passes=_known(float(shared_before[1] + self.images)),
            shared_text_passes=_known(float(shared_before[2] + self.texts)),
        )

    def _passes(self) -> tuple[Fraction, ...]:
        """The passes of this run so far."""
        if self._began is None:
            return self._counted
        now = self._all_passes()
        return tuple(counted + b - a for counted, a, b in zip(self._counted, self._began, now, strict=True))

    def _all_passes(self) -> tuple[Fraction, Fraction, Fraction]:
        passes = self._backbone.passes
        return passes.image, passes.prompted_image, passes.text


def _known(amount: float) -> float | None:
    return None if math.isnan(amount) else amount


_OPEN: ContextVar[tuple[CostMeter, str] | None] = ContextVar("open", default=None)
"""The run in progress and its phase."""
_apart = 0.0
"""Seconds that this process has spent on shared features."""


def charge(
    kind: str, costs: Mapping[bytes, float], *, images: Fraction | float = 0, texts: Fraction | float = 0
) -> None:
    """Charge the run in progress, if there is one, for features that it has not used before.

    Args:
        kind: of the features; `costs` are nanoseconds by the feature's key, 16 bytes that are unique within the kind.
        images, texts: passes through the frozen tower that each feature needs.
    """
    if (current := _OPEN.get()) is not None:
        meter, phase = current
        fresh = costs.keys() - meter.charged[kind]
        meter.charged[kind] |= fresh
        if fresh:
            meter.nanoseconds[phase] += sum(costs[key] for key in fresh)
            meter.images += images * len(fresh)
            meter.texts += texts * len(fresh)


@contextmanager
def set_apart() -> Iterator[None]:
    """Leave the time and the passes of the block out of what the run in progress needs itself."""
    global _apart
    start, current = time.perf_counter(), _OPEN.get()
    passes = Passes() if current is None else current[0].passes
    image, text = passes.image, passes.text
    try:
        yield
    finally:
        passes.image, passes.text = image, text
        _apart += time.perf_counter() - start


def own_clock() -> float:
    """A monotonic clock in seconds, which stands still inside `set_apart`."""
    return time.perf_counter() - _apart


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
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _status(name: str) -> int:
    """A size in bytes from proc(5)."""
    return next(int(line.split()[1]) for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:")) * 1024
