"""A few small pictures of a dataset, as data URIs, so that a page can show what the numbers are about."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageOps

from datasets_registry import BenchError, DatasetSplits, get_dataset
from reports.views import ExampleView

COUNT = 8
SIDE = 96
"""Pixels; pictures are cut to squares and never enlarged."""
LIMIT = 60_000
"""Bytes of data URIs a dataset may take."""
_QUALITIES = (75, 50, 30)


@lru_cache(maxsize=64)
def example_images(name: str, data_root: Path | None) -> tuple[ExampleView, ...]:
    """One test image of each of up to eight classes, evenly over the class list; none where images are not at hand."""
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
    """An image as a JPEG data URI, cut to a square of at most `side` pixels and never enlarged."""
    side = min(side, *image.size)
    square = ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    square.save(buffer, "JPEG", quality=quality, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
