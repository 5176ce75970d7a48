"""The store of evaluated images: the bytes of their centre views on disk, so that later runs decode none of them.

Methods whose prompts enter the image tower cannot use stored features, and evaluate the same images in every run. The
blocks lie in the feature cache, in a folder per image size and preprocessing that backbones share. They hold the bytes
before normalisation (150 KB per image of 224 pixels), so no bit of a result depends on whether an image is stored.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray

from bench.experiment.features.budget import Budget, Share
from bench.experiment.features.feature_blocks import SpareBlocks, missing
from bench.experiment.features.rendered_views import RenderedViews

Render = Callable[[Sequence[int]], list[NDArray[np.uint8]]]
"""Positions in a list of addresses -> their views, each `(size, size, 3)`."""


class EvaluatedViews:
    """Centre views in memory and, with a cache folder, on disk; safe for any number of threads and processes.

    Args:
        memory: the views in memory, which have size and preprocessing.
        folder: cache folder shared by all backbones; None stores nothing on disk.
        limit: bytes that all stored views in the cache folder may take; beyond it they are decoded and not stored.
            After a failure to write, nothing more is stored.
    """

    def __init__(
        self, memory: RenderedViews, folder: Path | None = None, limit: int = 0, *, budget: Budget | None = None
    ) -> None:
        self._memory = memory
        self._lock = Lock()
        self._blocks: SpareBlocks | None = None
        if folder is not None and limit:
            place, share = folder / "features" / _folder_name(memory), Share(folder, "*-pixels", limit)
            without = "Test images that are not stored are decoded in every run."
            self._blocks = SpareBlocks(place, budget, share, title=_described(memory), without=without)

    def get(self, addresses: Sequence[bytes], render: Render) -> list[NDArray[np.uint8]]:
        """Views in the order of `addresses`, each `(size, size, 3)`; `render` is called for those not stored."""
        if self._blocks is None:
            return render(range(len(addresses)))
        with self._lock:
            found = {a: view for a in addresses if (view := self._memory.held(a)) is not None}
            self._read(self._blocks, addresses, found)
            fresh = [addresses[i] for i in self._blocks.lacking(addresses)]
            room = self._blocks.fits(len(fresh) * 3 * self._memory.size**2)
            with self._blocks.alone(fresh) if fresh and room else nullcontext():
                self._read(self._blocks, addresses, found)  # another process may have stored them meanwhile
                absent = missing(addresses, found)
                found.update(zip([addresses[i] for i in absent], render(absent), strict=True))
                if room:
                    self._store(self._blocks, addresses, found)
        return [found[a] for a in addresses]

    def _read(self, blocks: SpareBlocks, addresses: Sequence[bytes], found: dict[bytes, NDArray[np.uint8]]) -> None:
        """Add the stored views that are not among `found`; the memory gets all views of their blocks."""
        for _, rows in blocks.read([addresses[i] for i in missing(addresses, found)]):
            for name, row in rows.items():
                found[name] = row.numpy()
                self._memory.remember(name, found[name])

    def _store(self, blocks: SpareBlocks, addresses: Sequence[bytes], found: dict[bytes, NDArray[np.uint8]]) -> None:
        """Write the views that are not stored yet."""
        if fresh := [addresses[i] for i in blocks.lacking(addresses)]:
            blocks.store(fresh, torch.from_numpy(np.stack([found[a] for a in fresh])))


def _described(memory: RenderedViews) -> str:
    how = memory.preprocessing
    fill = f", grey {how.fill_color}" if how.resize_mode == "longest" else ""
    return f"{memory.size} pixels, {how.interpolation}, {how.resize_mode}{fill}"


def _folder_name(memory: RenderedViews) -> str:
    """What decides the pixels of a centre view, as a digest. Mean and standard deviation do not."""
    return f"{hashlib.sha256(_described(memory).encode()).hexdigest()[:16]}-uint8-pixels"
