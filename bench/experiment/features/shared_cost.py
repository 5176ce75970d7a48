"""The cost of shared features, which every run that needs them is charged, whichever run computed them.

It is measured once, when features are computed, and is kept with them. The time and the passes of computing or reading
them are therefore left out of what the run in progress needs itself.
"""

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction

import torch
from torch import Tensor

from methods import Passes

UNKNOWN = math.nan
"""The cost of features that were imported, or stored without it."""
_KEY_BYTES = 16


class Account:
    """What one run has used of the shared features; each feature is charged once, in the phase that first reads it.

    Args:
        passes: the counts of the run's own passes.

    Attributes:
        nanoseconds: of computing the features, by phase of the run. `UNKNOWN` if that of any is unknown, like the next.
        images, texts: passes through the frozen towers.
    """

    def __init__(self, passes: Passes) -> None:
        self.passes = passes
        self.nanoseconds: defaultdict[str, float] = defaultdict(int)
        self.images: Fraction | float = Fraction(0)
        self.texts: Fraction | float = Fraction(0)
        self._used: defaultdict[str, set[bytes]] = defaultdict(set)

    @contextmanager
    def open(self, phase: str) -> Iterator[None]:
        """Charge the features that are read inside the block to this phase of the run."""
        token = _OPEN.set((self, phase))
        try:
            yield
        finally:
            _OPEN.reset(token)

    def charge(
        self, phase: str, kind: str, costs: Mapping[bytes, float], images: Fraction | float, texts: Fraction | float
    ) -> None:
        """See the function `charge`."""
        fresh = costs.keys() - self._used[kind]
        self._used[kind] |= fresh
        if fresh:
            self.nanoseconds[phase] += sum(costs[key] for key in fresh)
            self.images += images * len(fresh)
            self.texts += texts * len(fresh)

    def dump(self) -> dict[str, Tensor]:
        """The features that were charged, as tensors by kind, for a checkpoint."""
        kept = {kind: bytearray(b"".join(used)) for kind, used in self._used.items() if used}
        return {kind: torch.frombuffer(keys, dtype=torch.uint8) for kind, keys in kept.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Charge the features of an earlier part of the run no more; the inverse of `dump`."""
        for kind, tensor in tensors.items():
            keys = tensor.numpy().tobytes()
            self._used[kind] |= {keys[i : i + _KEY_BYTES] for i in range(0, len(keys), _KEY_BYTES)}


_OPEN: ContextVar[tuple[Account, str] | None] = ContextVar("open", default=None)


class _Clock:
    """Seconds that this process has spent on shared features."""

    apart = 0.0


def charge(
    kind: str, costs: Mapping[bytes, float], *, images: Fraction | float = 0, texts: Fraction | float = 0
) -> None:
    """Charge the run in progress, if there is one, for features that it has not used before.

    Args:
        kind: of the features; `costs` are nanoseconds by the feature's key, 16 bytes that are unique within the kind.
        images, texts: passes through the frozen tower that each feature needs.
    """
    if (current := _OPEN.get()) is not None:
        account, phase = current
        account.charge(phase, kind, costs, images, texts)


@contextmanager
def set_apart() -> Iterator[None]:
    """Leave the time and the passes of the block out of what the run in progress needs itself."""
    start, current = time.perf_counter(), _OPEN.get()
    passes = Passes() if current is None else current[0].passes
    image, text = passes.image, passes.text
    try:
        yield
    finally:
        passes.image, passes.text = image, text
        _Clock.apart += time.perf_counter() - start


def own_clock() -> float:
    """A monotonic clock in seconds, which stands still inside `set_apart`."""
    return time.perf_counter() - _Clock.apart
