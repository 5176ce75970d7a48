"""The record of a custom dataset's images beside its TOML file: what `datasets add` found, and what changed since then.

It keeps every known image in its part of the split, so that a test image never becomes a training image.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from datasets_registry._errors import RegistrationError, some
from datasets_registry._limits import MOST_RECORDED_VALUES
from datasets_registry._readers.foreign_files import read_json
from datasets_registry._readers.image_sources import EncodedImages, ImageFiles
from datasets_registry._types import PARTS, DatasetSplits, Part, fingerprint

_Format = Literal["clip-etl-bench images of a dataset"]


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
        gone: contents that were there before, so that an image that comes back gets its former part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: _Format
    images: dict[str, KnownImage]
    division: str = ""
    gone: tuple[KnownImage, ...] = ()

    def parts(self, now: Mapping[str, Content]) -> dict[str, str]:
        """The part of each known image of today: that of its content, and for an edited file that of the former one.

        Copies of an image in several parts count as the first of test, val and train.
        """
        by_content: dict[Content, str] = {}
        for one in sorted((*self.gone, *self.images.values()), key=lambda one: PARTS.index(one.part)):
            by_content |= {(one.label, one.digest): one.part, ("", one.digest): one.part}
        former = former_keys(_contents(self.images), now)
        parts: dict[str, str] = {key: self.images[before].part for key, before in former.items()}
        for key, (label, digest) in now.items():
            if part := by_content.get((label, digest)) or by_content.get(("", digest)):
                parts[key] = part
        return parts

    def gone_from(self, images: Mapping[str, KnownImage]) -> tuple[KnownImage, ...]:
        """The recorded contents that are not among these images."""
        here = {one.digest for one in images.values()}
        return tuple(dict.fromkeys(one for one in (*self.gone, *self.images.values()) if one.digest not in here))


def new_record(images: Mapping[str, KnownImage], former: ImageRecord | None, division: str | None) -> ImageRecord:
    """The record of today's images, which also knows what was there before; without a division, they get a new one."""
    (text,) = get_args(_Format)
    gone = () if former is None else former.gone_from(images)
    if division is None:
        division = fingerprint(sorted([one.digest, one.part] for one in images.values()))
    return ImageRecord(format=text, images=dict(images), division=division, gone=gone)


def former_keys(before: Mapping[str, Content], now: Mapping[str, Content]) -> dict[str, str]:
    """The key before of each image of today that was there, by key of today; no key before is given twice.

    An image is the one of the same key and content, else of the same content, of its class first, else of the same key.
    """
    ways: tuple[Callable[[str, Content], object], ...] = (
        lambda key, content: (key, content[1]),
        lambda _, content: content,
        lambda _, content: content[1],
        lambda key, _: key,
    )
    found: dict[str, str] = {}
    left = dict(before)
    for way in ways:
        same: defaultdict[object, list[str]] = defaultdict(list)
        for key, content in left.items():
            same[way(key, content)].append(key)
        for key, content in now.items():
            if key not in found and (keys := same.get(way(key, content))):
                found[key] = keys.pop()
                del left[found[key]]
    return found


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
        f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(one)}" for key, one in record.images.items()
    )
    gone = ",\n".join(map(json.dumps, record.gone))
    head = f'"format": "{record.format}", "division": {json.dumps(record.division)}'
    return f'{{{head}, "images": {{\n{lines}\n}}, "gone": [\n{gone}\n]}}\n'


def known_images(splits: DatasetSplits, labels: tuple[str, ...]) -> dict[str, KnownImage]:
    """Today's images of a dataset by key; `labels` are those on disk, in label order."""
    images = splits.images
    stored = images.oriented(orient=False) if isinstance(images, ImageFiles | EncodedImages) else images
    return {
        sample.key: KnownImage(labels[sample.label], part, stored.digest(sample.key))
        for part in PARTS
        for sample in getattr(splits, part)
    }


@dataclass(frozen=True)
class ImageChanges:
    """What changed between two states of a dataset's images.

    Args:
        counts: number of images by what happened to them.
        added: parts of the new images, with their numbers.
        moved: number of images that were there before, and are in another part.
        stayed: number of those in the same part.
        new_classes: labels that were not there before; `gone` are those that are no longer there.
        settings: names of changed settings of the TOML file.
    """

    counts: Mapping[str, int]
    added: Mapping[str, int]
    moved: int
    stayed: int
    new_classes: tuple[str, ...]
    gone: tuple[str, ...]
    settings: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything changed."""
        return bool(sum(self.counts.values()) or self.moved or self.new_classes or self.gone or self.settings)

    def facts(self) -> dict[str, object]:
        """The changes as plain values, those that there are."""
        classes = {"new classes": list(self.new_classes), "classes gone": list(self.gone)}
        values = {**self.counts, "in another part": self.moved, **classes, "settings": list(self.settings)}
        return {name: value for name, value in values.items() if value}

    @property
    def text(self) -> str:
        """What changed, without parts; empty if nothing did."""
        said = [f"{_images(number)} {what}" for what, number in self.counts.items() if number]
        classes = [("new class", self.new_classes), ("class gone", self.gone), ("changed setting", self.settings)]
        said += [f"{what}: {some([repr(label) for label in labels], most=5)}" for what, labels in classes if labels]
        return "; ".join(said)

    def lines(self) -> Iterator[str]:
        """One to three lines for the user."""
        if not self.any:
            yield f"nothing changed: the same {_images(self.stayed)} in the same classes and parts"
            return
        if self.text:
            yield f"changed: {self.text}"
        if self.added:
            yield f"the new ones: {', '.join(f'{number} {part}' for part, number in self.added.items())}"
        if self.moved:
            yield f"{_images(self.moved)} moved between train, val and test; {self.stayed} stayed"
        else:
            yield f"the {_images(self.stayed)} known before stayed in train, val or test"


def image_changes(
    before: Mapping[str, KnownImage], now: Mapping[str, KnownImage], settings: tuple[str, ...] = ()
) -> ImageChanges:
    """What changed from one state to another; see `former_keys` on which images are the same."""
    pairs = former_keys(_contents(before), _contents(now))
    counts, added, moved, stayed = Counter[str](), Counter[str](), 0, 0
    for key, one in now.items():
        if key not in pairs:
            added[one.part] += 1
            continue
        old = before[pairs[key]]
        counts["renamed"] += pairs[key] != key and old.label == one.label
        counts["with another class"] += old.label != one.label
        counts["with other content"] += old.digest != one.digest
        moved, stayed = moved + (old.part != one.part), stayed + (old.part == one.part)
    counts["removed"] = len(before) - len(pairs)
    names = ("added", "removed", "with another class", "with other content", "renamed")
    counts["added"] = added.total()
    first, then = ({one.label: None for one in state.values()} for state in (before, now))
    return ImageChanges(
        {name: counts[name] for name in names},
        {part: added[part] for part in PARTS if added[part]},
        moved,
        stayed,
        tuple(label for label in then if label not in first),
        tuple(label for label in first if label not in then),
        settings,
    )


def _contents(images: Mapping[str, KnownImage]) -> dict[str, Content]:
    return {key: (one.label, one.digest) for key, one in images.items()}


def _images(number: int) -> str:
    return f"{number} image{'' if number == 1 else 's'}"
