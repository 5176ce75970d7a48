"""Where a run finds its inputs: folders, weights and device. Never part of a run's identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_LIMIT = 20 * 2**30
"""Bytes of features kept before the least recently used make room."""

HIDDEN_LIMIT = 8 * 2**30
"""Bytes of that which hidden states may take: some fourteen thousand images on ViT-B/16, each a third of its cost."""


@dataclass(frozen=True)
class RunContext:
    """The surroundings of a run.

    Args:
        data_root: folder that holds the datasets in CoOp's layout, or None if only drawn datasets are used.
        cache_dir: folder of the frozen-feature store, or None to keep features in memory only.
        weights: local weight files by backbone slug.
        device: `cpu` or `cuda[:i]`.
        threads: torch's intra-op threads in this process.
        files: files that specs name by their digest, such as support lists.
        cache_limit: bytes that `cache_dir` may take before what was used least recently makes room.
        keep_branches: whether the two sides of an ensemble are stored with its predictions.
        curve: whether the accuracy along the training is recorded.
        hidden_limit: bytes of `cache_dir` that hidden states of the image tower may take; 0 keeps none. None:
            `HIDDEN_LIMIT` on the CPU, 0 on a GPU, which runs the blocks about as fast as it reads what they give.
        eval_batch: test images per batch; results do not depend on it beyond rounding.
        checkpoints: folder of states from which a training that was cut off goes on; None to keep none.
        checkpoint_seconds: how much training may be lost, in seconds between two such states.
    """

    data_root: Path | None = None
    cache_dir: Path | None = None
    weights: dict[str, Path] = field(default_factory=dict)
    device: str = "cpu"
    threads: int = 1
    files: dict[str, Path] = field(default_factory=dict)
    cache_limit: int = DEFAULT_LIMIT
    keep_branches: bool = False
    curve: bool = False
    hidden_limit: int | None = None
    eval_batch: int = 128
    checkpoints: Path | None = None
    checkpoint_seconds: float = 60.0

    @property
    def hidden_bytes(self) -> int:
        """`hidden_limit`, settled for the device."""
        if self.hidden_limit is not None:
            return self.hidden_limit
        return HIDDEN_LIMIT if self.device == "cpu" else 0
