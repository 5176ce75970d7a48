"""Pixels of image views as bytes, before normalisation, in memory up to a limit."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache, partial
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.experiment.features.feature_blocks import address
from bench.experiment.features.views import View, render, view_params
from datasets_registry import Images
from methods import OPENAI_PREPROCESSING, Preprocessing

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
        loaded = cache(partial(images.load, key))
        return [self._get(digest, loaded, view) for view in views]

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

    def _get(self, digest: str, loaded: Callable[[], Image.Image], view: View) -> NDArray[np.uint8]:
        name = address(digest, view.key)
        if (held := self.held(name)) is not None:
            return held
        image = loaded()
        rendered = render(image, view_params(digest, view, image.size), self.size, self.preprocessing)
        self.remember(name, rendered)
        return rendered
