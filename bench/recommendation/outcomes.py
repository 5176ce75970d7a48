"""The runs of a race as tables: whether each labelled image was classified correctly, by method and repetition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.record import RunStatus
from bench.results.shards import Shard
from datasets_registry import Fold


@dataclass
class Outcomes:
    """The outcomes of the finished runs of a race.

    Args:
        images: keys of the labelled images, the columns of every table.
        repeats: the repetitions, the rows of every table.
    """

    images: tuple[str, ...]
    repeats: tuple[int, ...]
    failed: dict[str, str] = field(default_factory=dict)
    _correct: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    _seconds: dict[str, list[float]] = field(default_factory=dict)
    _folds: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self._column = {key: i for i, key in enumerate(self.images)}
        self._folds = np.zeros((len(self.repeats), len(self.images)), dtype=np.int64)

    def add(self, method: str, fold: Fold, shard: Shard) -> None:
        """Add a run. The error of a failed run is kept as the reason why its method leaves the race."""
        record = shard.record
        if record.status is RunStatus.FAILED:
            self.failed[method] = " ".join((record.error.message if record.error else "failed").split())
            return
        (predictions,) = shard.predictions
        cost = record.cost
        self.score(
            method,
            fold,
            predictions.images,
            predictions.label == predictions.predicted,
            0.0 if cost is None else cost.prepare_seconds + cost.train_seconds,
        )

    def score(self, method: str, fold: Fold, images: Sequence[str], correct: NDArray[np.bool_], seconds: float) -> None:
        """Add the outcome of a run: whether each held-out image is classified correctly, and the seconds it took."""
        row, columns = self.repeats.index(fold.repeat), [self._column[key] for key in images]
        table = self._correct.setdefault(method, np.full(self._folds.shape, np.nan))
        table[row, columns] = correct
        self._folds[row, columns] = fold.index
        self._seconds.setdefault(method, []).append(seconds)

    @property
    def folds(self) -> NDArray[np.int64]:
        """The fold in which each image is held out, `(repeats, images)`; 0 if no run has scored it."""
        return self._folds

    def tables(self, methods: list[str]) -> Mapping[str, NDArray[np.float64]]:
        """Tables `(repeats, images)` of 0 and 1, NaN where an image was not scored."""
        return {name: self._correct[name] for name in methods if name in self._correct}

    def seconds(self, method: str) -> float:
        """Median seconds of preparation and training of a run; 0 before the first."""
        return float(np.median(self._seconds.get(method, [0.0])))

    def trainings(self, method: str) -> int:
        """Number of finished runs of a method."""
        return len(self._seconds.get(method, []))
