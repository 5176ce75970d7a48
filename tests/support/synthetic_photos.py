"""Small datasets of synthetic images on disk in CoOp's layout, with their classes, images and names in any order."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from datasets_registry import CoopReader, DatasetInfo, register_dataset

CLASSES = ("cat", "dog", "bird", "tree", "house", "boat")
TRAIN, VAL, TEST = range(3), range(3, 5), range(5, 9)
"""Numbers of a class's images in each list. With 3 shots a draw takes all training and validation images."""
Entries = list[list[object]]


@dataclass(frozen=True)
class Photos:
    """One dataset of six classes and nine images per class.

    Args:
        order: the classes in label order.
        folder: the image folder of a class.
        arranged: puts the entries of a list ("train", "val" or "test") into another order.
        seed: of the images.
    """

    name: str
    order: Sequence[str] = CLASSES
    folder: Callable[[str], str] = str
    arranged: Callable[[str, Entries], Entries] = lambda _, entries: entries
    seed: int = 0

    def write(self, root: Path) -> None:
        """Write the images and the split file below `root`, and register the dataset."""
        images = root / self.name / "images"
        for i, one in enumerate(CLASSES):
            draw = np.random.default_rng([self.seed, i])
            pattern = draw.normal(size=(40, 40, 3))
            (images / self.folder(one)).mkdir(parents=True)
            for number in range(len(TRAIN) + len(VAL) + len(TEST)):
                pixels = np.clip(128 + 40 * pattern + 30 * draw.normal(size=pattern.shape), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(images / self._key(one, number))
        split = {part: self.arranged(part, self._entries(numbers)) for part, numbers in self._parts.items()}
        (root / self.name / "split.json").write_text(json.dumps(split), encoding="utf-8")
        register_dataset(self._info)

    def identity(self, key: str) -> tuple[str, str]:
        """Class and number of an image, which no name or order changes."""
        folder, number = key.split("/")
        return next(one for one in CLASSES if self.folder(one) == folder), number

    def _key(self, name: str, number: int) -> str:
        return f"{self.folder(name)}/{number}.png"

    def _entries(self, numbers: Sequence[int]) -> Entries:
        return [[self._key(one, i), label, one] for label, one in enumerate(self.order) for i in numbers]

    @property
    def _parts(self) -> dict[str, range]:
        return {"train": TRAIN, "val": VAL, "test": TEST}

    @property
    def _info(self) -> DatasetInfo:
        return DatasetInfo(
            name=self.name, title=self.name, summary="Patterns of noise.", domain="synthetic", num_classes=len(CLASSES),
            template="a photo of a {}.", licence="CC0", homepage="", citation="",
            reader=CoopReader(
                dataset=self.name, folder=self.name, split_file="split.json", image_folder="images",
                split_url="https://example.org/split", images_url="https://example.org/images",
            ),
        )  # fmt: skip
