"""Datasets as folders in MLCommons' Croissant format 1.1: images, their labels and splits, and few-shot draws.

https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html defines the format. The Python package `mlcroissant`
(Apache-2.0, by MLCommons) reads it.
"""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from bench._util.atomic_write import write_atomically
from bench.exchange.croissant_document import LISTING_COLUMNS, SUPPORT_COLUMNS, DataFile, Publication, document
from datasets_registry import DatasetInfo, DatasetSplits, FewShotTask, image_as_file

DOCUMENT, LISTING, SUPPORT = "croissant.json", "images.csv", "support.csv"
_PARTS = ("train", "val", "test")


def write_croissant(
    folder: Path,
    info: DatasetInfo,
    splits: DatasetSplits,
    about: Publication,
    draws: Sequence[FewShotTask] = (),
) -> list[Path]:
    """Write a dataset to a folder and return the files: an archive of the images, tables, and `croissant.json`.

    `images.csv` has a row for each image. `support.csv` has a row for each image of each draw, if there are draws. The
    name of the archive contains its digest, because `mlcroissant` keeps unpacked archives by name.

    Args:
        draws: few-shot tasks of this dataset, whose support and validation images are listed.

    Raises DataError if an image cannot be read; nothing is then written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = _Archive(folder / "images.zip")
    with ExitStack() as on_failure:
        on_failure.callback(archive.path.unlink, missing_ok=True)
        rows = list(archive.write(splits))
        on_failure.pop_all()
    images = archive.named_by_digest()
    paths = [images, _write_table(folder / LISTING, LISTING_COLUMNS, rows)]
    if draws:
        image_of = {row["key"]: row["image"] for row in rows}
        listed = [row for task in draws for row in _support_rows(task, image_of)]
        paths.append(_write_table(folder / SUPPORT, SUPPORT_COLUMNS, listed))
    files = [DataFile.of(path) for path in paths]
    content = document(info, splits, about, files, sorted(archive.formats))
    path = folder / DOCUMENT
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    return [path, *paths]


@dataclass
class _Archive:
    """The zip file of a dataset's images, which has the same bytes for the same images."""

    path: Path
    formats: set[str] = field(default_factory=set)
    """MIME types of the images."""

    def write(self, splits: DatasetSplits) -> Iterator[Mapping[str, Any]]:
        """Write all images and give their rows of `images.csv`."""
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_STORED) as file:
            number = 0
            for part in _PARTS:
                for sample in getattr(splits, part):
                    content = image_as_file(splits.images, sample.key)
                    suffix = self._suffix(content)
                    name = f"{part}-{sample.label}-{number:06d}.{suffix}"
                    file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
                    number += 1
                    yield {
                        "image": name,
                        "split": part,
                        "class_name": splits.class_names[sample.label],
                        "class_index": sample.label,
                        "key": sample.key,
                        "sha256": hashlib.sha256(content).hexdigest(),
                    }

    def _suffix(self, content: bytes) -> str:
        with Image.open(io.BytesIO(content)) as image:
            kind = image.format or ""
        self.formats.add(Image.MIME.get(kind, "application/octet-stream"))
        return kind.lower()

    def named_by_digest(self) -> Path:
        """Rename the archive to `images-DIGEST.zip` and return its path."""
        digest = DataFile.of(self.path).sha256
        return self.path.replace(self.path.with_name(f"images-{digest[:8]}.zip"))


def _support_rows(task: FewShotTask, image_of: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    for part, support in (("train", task.support), ("val", task.validation)):
        for sample in support.samples:
            yield {
                "image": image_of[sample.key],
                "draw": task.draw.value,
                "shots": task.shots,
                "seed": task.seed,
                "part": part,
            }


def _write_table(path: Path, columns: Collection[str], rows: Sequence[Mapping[str, Any]]) -> Path:
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_atomically(path, text.getvalue().encode())
    return path
