"""A few small example images of a dataset, as data URIs."""

import base64
import io
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageOps

from datasets_registry import BenchError, DatasetSplits, get_dataset
from reports.views import ExampleView

COUNT = 8
SIDE = 96
"""Pixels; images are cropped to squares and never enlarged."""
LIMIT = 60_000
"""Largest size of the data URIs of one dataset, in bytes."""
_QUALITIES = (75, 50, 30)


@lru_cache(maxsize=64)
def example_images(name: str, data_root: Path | None) -> tuple[ExampleView, ...]:
    """One test image of each of up to eight classes, evenly over the class list; empty if not available."""
    try:
        splits = get_dataset(name).reader(data_root)
        pictures = [(splits.class_names[label], splits.images.load(key)) for label, key in _chosen(splits)]
    except BenchError:
        return ()
    for quality in _QUALITIES:
        views = tuple(
            ExampleView(title.replace("_", " "), picture_uri(picture, side=SIDE, quality=quality))
            for title, picture in pictures
        )
        if sum(len(view.uri) for view in views) <= LIMIT:
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
    """An image as a JPEG data URI, cropped to a square of at most `side` pixels."""
    side = min(side, *image.size)
    square = ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    square.save(buffer, "JPEG", quality=quality, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
