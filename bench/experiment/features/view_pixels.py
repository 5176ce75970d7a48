"""Pixels of image views as bytes: in memory up to a limit, and of evaluated images also on disk."""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from functools import cache, partial
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray

from bench.errors import CacheError
from bench.experiment.features.cache_folder import Budget
from bench.experiment.features.feature_blocks import BlockFolder, address, missing, name_folder
from bench.experiment.features.views import View, render, view_params
from datasets_registry import Images
from methods import OPENAI_PREPROCESSING, Preprocessing

_LOG = logging.getLogger("bench.experiment.features")
RENDERED_BYTES = 256 * 2**20
"""Memory for rendered views, in bytes of pixels; the least recently used view is dropped first."""


class RenderedViews:
    """Views of images for towers of one image size; safe for any number of threads.

    Args:
        size: height and width in pixels.
        limit: bytes of pixels in memory.
    """

    def __init__(
        self, size: int, preprocessing: Preprocessing = OPENAI_PREPROCESSING, limit: int = RENDERED_BYTES
    ) -> None:
        self.size, self.preprocessing = size, preprocessing
        self._limit = limit
        self._bytes = 0
        self._lock = Lock()
        self._views: OrderedDict[bytes, NDArray[np.uint8]] = OrderedDict()

    def get_all(self, images: Images, key: str, views: Sequence[View]) -> list[NDArray[np.uint8]]:
        """One image under several views, each `(size, size, 3)`; it is loaded at most once."""
        digest = images.digest(key)
        loaded, pixels = cache(partial(images.load, key)), []
        for view in views:
            name = address(digest, view.key)
            if (rendered := self.held(name)) is None:
                image = loaded()
                rendered = render(image, view_params(digest, view, image.size), self.size, self.preprocessing)
                self.remember(name, rendered)
            pixels.append(rendered)
        return pixels

    def held(self, name: bytes) -> NDArray[np.uint8] | None:
        """The view of that `address`, if it is in memory."""
        with self._lock:
            if name not in self._views:
                return None
            self._views.move_to_end(name)
            return self._views[name]

    def remember(self, name: bytes, rendered: NDArray[np.uint8]) -> None:
        """Keep a view in memory while there is room."""
        with self._lock:
            if name not in self._views:  # another thread may have rendered it meanwhile
                self._views[name] = rendered
                self._bytes += rendered.nbytes
            while self._bytes > self._limit and len(self._views) > 1:
                _, dropped = self._views.popitem(last=False)
                self._bytes -= dropped.nbytes


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
        self._limit = limit
        self._stored: int | None = None  # bytes of all views in the cache folder; None until it is measured
        self._blocks: BlockFolder | None = None
        how = memory.preprocessing
        fill = f", grey {how.fill_color}" if how.resize_mode == "longest" else ""
        # what decides the pixels of a centre view; mean and standard deviation do not
        self._title = f"{memory.size} pixels, {how.interpolation}, {how.resize_mode}{fill}"
        if folder is not None and limit:
            name = f"{hashlib.sha256(self._title.encode()).hexdigest()[:16]}-uint8-pixels"
            self._blocks = BlockFolder(folder / "features" / name, budget)

    def get(self, addresses: Sequence[bytes], render: Render) -> list[NDArray[np.uint8]]:
        """Views in the order of `addresses`, each `(size, size, 3)`; `render` is called for those not stored."""
        if self._blocks is None:
            return render(range(len(addresses)))
        with self._lock:
            pixels = {a: view for a in addresses if (view := self._memory.held(a)) is not None}
            self._read(self._blocks, addresses, pixels)
            fresh = [addresses[i] for i in self._blocks.lacking(addresses)]
            room = self._fits(self._blocks, len(fresh) * 3 * self._memory.size**2)
            with self._blocks.alone(fresh) if fresh and room else nullcontext():
                self._read(self._blocks, addresses, pixels)  # another process may have stored them meanwhile
                absent = missing(addresses, pixels)
                pixels.update(zip([addresses[i] for i in absent], render(absent), strict=True))
                if room:
                    self._store(self._blocks, addresses, pixels)
        return [pixels[a] for a in addresses]

    def _read(self, blocks: BlockFolder, addresses: Sequence[bytes], pixels: dict[bytes, NDArray[np.uint8]]) -> None:
        """Add the stored views that are not among `pixels`; the memory gets all views of their blocks."""
        for block in blocks.read([addresses[i] for i in missing(addresses, pixels)]):
            for name, row in block.rows.items():
                pixels[name] = row.numpy()
                self._memory.remember(name, pixels[name])

    def _fits(self, blocks: BlockFolder, size: int) -> bool:
        """Whether `size` more bytes can be stored.

        The folders are measured once and then counted, since a folder of many files is slow to list. Several processes
        may therefore exceed the limit by what they write at the same time.
        """
        if self._stored is None:
            self._stored = 0
            for path in blocks.folder.parent.glob("*-pixels/*.safetensors"):
                with suppress(FileNotFoundError):  # another process deleted it first
                    self._stored += path.stat().st_size
        return self._stored + size <= self._limit

    def _store(self, blocks: BlockFolder, addresses: Sequence[bytes], pixels: dict[bytes, NDArray[np.uint8]]) -> None:
        """Write the views that are not stored yet. A failure is no error."""
        fresh = [addresses[i] for i in blocks.lacking(addresses)]
        if not fresh:
            return
        try:
            name_folder(blocks.folder, self._title)
            size = blocks.add(fresh, torch.from_numpy(np.stack([pixels[a] for a in fresh])))
        except CacheError as error:
            self._limit = -1
            _LOG.warning("%s Test images that are not stored are decoded in every run.", error)
            return
        self._stored = (self._stored or 0) + size
