"""Small example images of datasets, and thumbnails of their test images if available."""

import base64
import io
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageOps

from datasets_registry import BenchError, DatasetSplits, few_shot_draws, get_dataset

COUNT = 8
EXAMPLE_SIDE = 96
"""Pixels; images are cropped to squares and never enlarged."""
LIMIT = 60_000
"""Largest size of the data URIs of one dataset, in bytes."""
_QUALITIES = (75, 50, 30)


@lru_cache(maxsize=64)
def example_images(name: str, data_root: Path | None) -> tuple[tuple[str, str], ...]:
    """Class names and data URIs of test images of up to eight classes, evenly over the class list; empty if missing."""
    try:
        splits = get_dataset(name).reader(data_root)
        pictures = [(splits.class_names[label], splits.images.load(key)) for label, key in _chosen(splits)]
    except BenchError:
        return ()
    for quality in _QUALITIES:
        views = tuple(
            (title.replace("_", " "), picture_uri(picture, side=EXAMPLE_SIDE, quality=quality))
            for title, picture in pictures
        )
        if sum(len(uri) for _, uri in views) <= LIMIT:
            return views
    return ()


def _chosen(splits: DatasetSplits) -> list[tuple[int, str]]:
    first: dict[int, str] = {}
    for sample in splits.test:
        first.setdefault(sample.label, sample.key)
    labels = sorted(first)
    n = min(COUNT, len(labels))
    return [(label, first[label]) for label in (labels[i * len(labels) // n] for i in range(n))]


def picture_uri(image: Image.Image, *, side: int, quality: int) -> str:
    """An image as a WebP data address, cropped to a square of at most `side` pixels; JPEG takes twice the bytes."""
    side = min(side, *image.size)
    square = ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    square.save(buffer, "WEBP", quality=quality, method=6)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


THUMBNAIL_SIDE = 64
"""Pixels of a thumbnail, which is cropped to a square and never enlarged."""
QUALITY = 60


class DatasetPictures:
    """Class names and thumbnails by dataset; without a `data_root`, of generated datasets only."""

    def __init__(self, data_root: Path | None, *, pictures: bool = True) -> None:
        self._data_root = data_root
        self._pictures = pictures

    def class_names(self, dataset: str, split: str) -> tuple[str, ...]:
        """Names in label order of the base or new half, or of all classes; empty if unknown."""
        names = self._all_names(dataset)
        base, new = few_shot_draws.class_halves(len(names)) if names else ((), ())
        return tuple(
            names[label].replace("_", " ") for label in {"base": base, "new": new}.get(split, range(len(names)))
        )

    def picture(self, dataset: str, key: str) -> str | None:
        """A test image as a small data URI, None if it is not available."""
        splits = _splits(dataset, self._data_root) if self._pictures else None
        if splits is None:
            return None
        try:
            return picture_uri(splits.images.load(key), side=THUMBNAIL_SIDE, quality=QUALITY)
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
