"""Images of noise by number, which record what is loaded and by which threads."""

from __future__ import annotations

import threading

import numpy as np
from PIL import Image

from datasets_registry import DataError, Sample

SAMPLES = tuple(Sample(str(i), i % 3) for i in range(20))


class NoiseImages:
    """Images of noise; the one numbered `torn` cannot be decoded."""

    def __init__(self, torn: int | None = None) -> None:
        self.torn = torn
        self.threads: set[str] = set()
        self.loaded: list[str] = []

    def load(self, key: str) -> Image.Image:
        self.threads.add(threading.current_thread().name.partition("_")[0])
        self.loaded.append(key)
        if int(key) == self.torn:
            raise DataError(f"Image {key} is torn.")
        noise = np.random.default_rng(int(key)).integers(0, 255, size=(40 + int(key), 50, 3), dtype=np.uint8)
        return Image.fromarray(noise)

    def digest(self, key: str) -> str:
        return f"digest-{key}"
