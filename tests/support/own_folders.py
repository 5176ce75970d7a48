"""Folders of a user's own images, and the datasets that are added from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from datasets_registry import AddedDataset, AddRequest, ColumnNames, add_custom_dataset


def picture(seed: int, size: tuple[int, int] = (8, 8)) -> Image.Image:
    """A random picture, so that no two are equal."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def class_folders(
    root: Path,
    classes: Sequence[str] = ("crow", "gull"),
    n: int = 12,
    *,
    first: int = 0,
    suffix: str = "png",
    size: tuple[int, int] = (8, 8),
) -> Path:
    """Write `n` pictures of each class below the folder; the number `first` names the first of them."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(first, first + n):
            picture(1000 * label + i, size).save(root / name / f"{i}.{suffix}")
    return root


def add_images(images: Path, *, force: bool = False, **changes: object) -> AddedDataset:
    """Add the images as the dataset `birds`, or as these changes say; its file is in the folder `own` beside them."""
    plain = AddRequest("birds", images, None, "", None, None, ColumnNames())
    return add_custom_dataset(replace(plain, **changes), images.parent / "own", replace=force)  # type: ignore[arg-type]
