"""The record of a custom dataset's images beside its TOML file: it keeps every image in its part of the split.

So a test image never becomes a training image, however many images are added.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from datasets_registry._errors import RegistrationError
from datasets_registry._limits import MOST_RECORDED_VALUES
from datasets_registry._readers.foreign_files import read_json
from datasets_registry._readers.image_sources import EncodedImages, ImageFiles, oriented
from datasets_registry._types import PARTS, DatasetSplits, Part, fingerprint

Content = tuple[str, str]
"""The label of an image and the hex SHA-256 of its content."""


class KnownImage(NamedTuple):
    """One image: its label on disk, its part of the split, and the hex SHA-256 of its content."""

    label: str
    part: Part
    digest: str


class ImageRecord(BaseModel):
    """The images of a dataset as `datasets add` found them.

    Args:
        images: today's, by key.
        division: names how the images were divided; another one after --force or --split moved some of them.
        gone: images that were there before, so that one that comes back gets its former part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["clip-etl-bench images of a dataset"]
    images: dict[str, KnownImage]
    division: str = ""
    gone: tuple[KnownImage, ...] = ()

    def parts(self, contents: Mapping[str, Content]) -> dict[str, str]:
        """The part of each image whose content is recorded, by key: that of its class, else of any class.

        Copies of an image in several parts count as the first of test, val and train.
        """
        part_of: dict[Content, str] = {}
        for image in sorted((*self.gone, *self.images.values()), key=lambda image: PARTS.index(image.part)):
            part_of |= {(image.label, image.digest): image.part, ("", image.digest): image.part}
        return {
            key: part
            for key, (label, digest) in contents.items()
            if (part := part_of.get((label, digest)) or part_of.get(("", digest)))
        }


def new_record(splits: DatasetSplits, labels: tuple[str, ...], former: ImageRecord | None) -> ImageRecord:
    """The record of today's images, which also knows those of the former one; `labels` are on disk, in label order."""
    images = splits.images
    # digests of the files as they are stored, which `orient` does not change
    stored = oriented(images, orient=False) if isinstance(images, ImageFiles | EncodedImages) else images
    today = {
        sample.key: KnownImage(labels[sample.label], part, stored.digest(sample.key))
        for part in PARTS
        for sample in getattr(splits, part)
    }
    present = {image.digest for image in today.values()}
    before = () if former is None else (*former.gone, *former.images.values())
    return ImageRecord(
        format="clip-etl-bench images of a dataset",
        images=today,
        division=former.division if former else fingerprint(sorted([i.digest, i.part] for i in today.values())),
        gone=tuple(dict.fromkeys(image for image in before if image.digest not in present)),
    )


def record_file(base: Path, name: str) -> Path:
    """The file of the record, beside the TOML file."""
    return base / f"{name}.images.json"


def read_record(file: Path) -> ImageRecord | None:
    """The record in a file; None without one. Raises RegistrationError for a damaged one."""
    try:
        return ImageRecord.model_validate(read_json(file, most_values=MOST_RECORDED_VALUES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise RegistrationError(
            f"{file} cannot be read ({reason}). It keeps images in train, val and test; restore it, or "
            "repeat `datasets add` with --force to divide all images again."
        ) from None


def record_text(record: ImageRecord) -> str:
    """The content of the file, with one line for each image."""
    lines = ",\n".join(
        f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(image)}" for key, image in record.images.items()
    )
    gone = ",\n".join(map(json.dumps, record.gone))
    head = f'"format": "{record.format}", "division": {json.dumps(record.division)}'
    return f'{{{head}, "images": {{\n{lines}\n}}, "gone": [\n{gone}\n]}}\n'
