"""Class names of datasets, and thumbnails of their test images if available."""

from functools import lru_cache
from pathlib import Path

from bench.site.example_images import picture_uri
from datasets_registry import BenchError, DatasetSplits, class_halves, get_dataset

SIDE = 64
"""Pixels of a thumbnail, which is cropped to a square and never enlarged."""
QUALITY = 60


class Gallery:
    """Class names and thumbnails by dataset; without a `data_root`, of generated datasets only."""

    def __init__(self, data_root: Path | None, *, pictures: bool = True) -> None:
        self._data_root = data_root
        self._pictures = pictures

    def class_names(self, dataset: str, split: str) -> tuple[str, ...]:
        """Names in label order of the base or new half, or of all classes; empty if unknown."""
        names = self._all_names(dataset)
        base, new = class_halves(len(names)) if names else ((), ())
        return tuple(
            names[label].replace("_", " ") for label in {"base": base, "new": new}.get(split, range(len(names)))
        )

    def picture(self, dataset: str, key: str) -> str | None:
        """A test image as a small data URI, None if it is not available."""
        splits = _splits(dataset, self._data_root) if self._pictures else None
        if splits is None:
            return None
        try:
            return picture_uri(splits.images.load(key), side=SIDE, quality=QUALITY)
        except (BenchError, KeyError):
            return None

    def _all_names(self, dataset: str) -> tuple[str, ...]:
        splits = _splits(dataset, self._data_root)
        if splits is not None:
            return splits.class_names
        try:
            return get_dataset(dataset).class_names
        except BenchError:
            return ()


@lru_cache(maxsize=64)
def _splits(dataset: str, data_root: Path | None) -> DatasetSplits | None:
    try:
        return get_dataset(dataset).reader(data_root)
    except BenchError:
        return None
