"""Custom datasets: one TOML file per dataset, which becomes an ordinary entry of the catalogue."""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from datasets_registry._custom.image_record import ImageRecord, read_record, record_file
from datasets_registry._custom.listing_folders import FoundImage, Listing, list_folder
from datasets_registry._custom.listing_hub import list_hub_folder
from datasets_registry._custom.listing_tables import ColumnNames, guess_columns, list_table
from datasets_registry._errors import DataError, RegistrationError, did_you_mean, some
from datasets_registry._readers.dataset_files import SMALL, UNLISTED
from datasets_registry._readers.foreign_files import read_toml
from datasets_registry._readers.image_sources import oriented
from datasets_registry._types import PARTS, DatasetInfo, DatasetSplits, Sample, fingerprint

TRAIN_SHARE = 0.5
VAL_SHARE = 0.2
"""Shares of a split by content: 50/20/30, as CoOp uses for datasets without a published split."""
_SHARES = {"train": TRAIN_SHARE, "val": VAL_SHARE, "test": 1 - TRAIN_SHARE - VAL_SHARE}
_FIRST = ("title", "images", "kind", "split", "root", "template")
_LABELS_OF_A_LINE = 200
"""Longest list of names, in characters, on one line; in longer lists, each name has its own line."""


StorageKind = Literal["folder", "table", "huggingface"]
"""How the images of a dataset are stored."""


SplitRule = Literal["given", "hash", "even"]
"""Which images are train, val and test.

`given`: the split of the folders, the column or the Hugging Face dataset. `hash`: by each image's content, so adding or
renaming images never moves other images, and two copies of an image are in the same part. `even`: for few images, the
same shares of each class, in the order of content hashes. Under `hash` and `even`, images that `datasets add` recorded
stay in their part, and every group is in one part.
"""


class CustomDataset(BaseModel):
    """The content of a dataset's TOML file. The file is named after the dataset.

    Args:
        images: the folder, table or Hugging Face folder; relative to the TOML file, or absolute.
        classes: labels on disk, in label order; the first half are the base classes. Images of other labels are
            ignored.
        names: class names for prompts, by label; a label without an entry is used as the name.
        title: the name in tables; default: the file's name.
        root: for a table, the folder its paths are relative to; default: the table's folder.
        orient: turn images upright by their EXIF orientation, as phones store them.
        skip: keys of images that are left out, such as damaged files.
        small_classes: labels of classes that are left out because they have too few images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: Annotated[str, Field(min_length=1)]
    kind: StorageKind = "folder"
    split: SplitRule = "hash"
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    names: dict[str, str] = {}
    template: str = "a photo of a {}."
    title: str = ""
    summary: str = "A custom dataset."
    domain: str = "custom images"
    licence: str = "not stated"
    homepage: str = ""
    citation: str = ""
    root: str | None = None
    columns: ColumnNames = ColumnNames()
    orient: bool = True
    skip: tuple[str, ...] = ()
    small_classes: tuple[str, ...] = ()

    @field_validator("classes", "small_classes", mode="after")
    @classmethod
    def _composed(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(unicodedata.normalize("NFC", label) for label in labels)

    @field_validator("names", mode="after")
    @classmethod
    def _composed_names(cls, names: dict[str, str]) -> dict[str, str]:
        normal = partial(unicodedata.normalize, "NFC")
        return {normal(label): normal(name) for label, name in names.items()}

    @model_validator(mode="after")
    def _consistent(self) -> CustomDataset:
        if "{}" not in self.template:
            raise ValueError(f"template {self.template!r} has no '{{}}' to put the class name in")
        if repeated := [label for label, count in Counter(self.classes).items() if count > 1]:
            raise ValueError(f"classes lists {repeated[0]!r} twice")
        if unknown := sorted(set(self.names) - set(self.classes)):
            raise ValueError(f"names has {unknown[0]!r}, which is not one of the classes")
        if both := [label for label in self.small_classes if label in self.classes]:
            raise ValueError(f"small_classes has {both[0]!r}, which is one of the classes")
        if empty := [label for label in self.classes if not self.names.get(label, label).strip()]:
            raise ValueError(f"the name of the class {empty[0]!r} is empty")
        return self

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in label order."""
        return tuple(self.names.get(label, label) for label in self.classes)

    def info(self, name: str, base: Path) -> DatasetInfo:
        """The catalogue entry; `base` is the folder of the TOML file."""
        return DatasetInfo(
            name=name,
            title=self.title or name,
            num_classes=len(self.classes),
            class_names=self.class_names,
            reader=CustomReader(name, self, base),
            own_images=True,
            groups=f"column {self.columns.group!r}" if self.columns.group else "",
            **self.model_dump(include={"summary", "domain", "template", "licence", "homepage", "citation"}),
        )

    def place(self, base: Path) -> Path:
        """The path of the images."""
        return base / Path(self.images).expanduser()

    def absolute(self, base: Path) -> CustomDataset:
        """The same description with absolute places; `base` is the folder of the TOML file."""
        root = None if self.root is None else str((base / Path(self.root).expanduser()).absolute())
        return self.model_copy(update={"images": str(self.place(base).absolute()), "root": root})

    def listing(self, base: Path, *, skip_missing: bool = False) -> Listing:
        """All images on disk except those in `skip`; raises DataError, see the functions of the three kinds."""
        place, skip = self.place(base), frozenset(self.skip)
        if self.kind == "folder":
            return list_folder(place, given_split=self.split == "given").without(skip)
        if self.kind == "table":
            root = base / Path(self.root).expanduser() if self.root is not None else place.parent
            columns = guess_columns(place, self.columns.named()).model_copy(update={"group": self.columns.group})
            return list_table(place, columns, root=root, skip=skip, skip_missing=skip_missing).without(skip)
        columns = self.columns
        return list_hub_folder(place, image=columns.path, label=columns.label, group=columns.group).without(skip)


@dataclass(frozen=True)
class CustomReader:
    """Reads a custom dataset. It ignores the data root, because the TOML file has the path of the images.

    Args:
        fresh: divide the images without the record of `datasets add`.
    """

    name: str
    config: CustomDataset
    base: Path
    fresh: bool = False

    @property
    def record(self) -> ImageRecord | None:
        """What `datasets add` found the last time; None without a record."""
        return read_record(record_file(self.base, self.name))

    def __call__(self, data_root: Path | None) -> DatasetSplits:
        """The splits on disk; without a test part, the val part is the test part.

        Raises DataError if the images, a class or the split of the TOML file are missing.
        """
        del data_root
        place, file = self.config.place(self.base), self.base / f"{self.name}.toml"
        if not place.exists():
            raise DataError(
                f"Dataset {self.name!r} has its images in {place}, which is not there. If they moved, write their new "
                f"place as `images` into {file}."
            )
        listing = self.config.listing(self.base)
        record = None if self.fresh else self.record
        position = {label: i for i, label in enumerate(self.config.classes)}
        labelled = [item for item in listing.found if item.label in position]
        present = {item.label for item in labelled}
        if absent := [label for label in self.config.classes if label not in present]:
            raise DataError(
                f"Dataset {self.name!r}: {len(absent)} of its {len(self.config.classes)} classes have no image in "
                f"{os.path.normpath(place)}, for example {absent[0]!r}; labels found: {few_labels(listing.labels)}. "
                f"Repeat `datasets add`, or correct `classes` in {file}."
            )
        parts: dict[str, list[Sample]] = {part: [] for part in PARTS}
        part_of = self._parts(listing, record)
        for item in labelled:
            parts[part_of[item.key]].append(Sample(item.key, position[item.label], item.group))
        if not parts["test"]:
            parts["test"], parts["val"] = parts["val"], []
        if empty := [part for part in ("train", "test") if not parts[part]]:
            raise DataError(
                f'Dataset {self.name!r} has no {empty[0]} image under split = "{self.config.split}". '
                f"Give more images, or a split with train and test."
            )
        train, val, test = (tuple(parts[part]) for part in PARTS)
        unused: defaultdict[str, list[str]] = defaultdict(list)
        for item in listing.found:
            if item.label not in position:
                unused[SMALL if item.label in self.config.small_classes else UNLISTED].append(item.key)
        left_out = dict(listing.left_out) | {kind: tuple(keys) for kind, keys in unused.items()}
        # the split depends on the files alone, so that `orient` does not change it
        images = oriented(listing.images) if self.config.orient else listing.images
        listed = self.image_list(listing, record)
        return DatasetSplits(images, self.config.class_names, train, val, test, left_out=left_out, image_list=listed)

    def image_list(self, listing: Listing, record: ImageRecord | None) -> str:
        """A digest of the listed images, with their classes and what divides them; other content is not noticed."""
        config, division = self.config, "" if record is None else record.division
        images = sorted((item.key, item.label, item.part or "", item.group or "") for item in listing.found)
        facts = [*config.class_names, config.template, config.orient, config.split, division]
        return fingerprint([*facts, *map(list, images)])

    def _parts(self, listing: Listing, record: ImageRecord | None) -> Mapping[str, str]:
        """The part of each image by its key."""
        if self.config.split != "given":
            return divided(listing, self.config.split, record)
        parts = {item.key: item.part for item in listing.found if item.part is not None}
        if len(parts) < len(listing.found):
            raise DataError(
                f'Dataset {self.name!r} has split = "given", but {self.config.place(self.base)} has none. '
                f'Write split = "hash" in its TOML file.'
            )
        return parts


def divided(listing: Listing, rule: SplitRule, record: ImageRecord | None = None) -> dict[str, str]:
    """The part of each image by its key, under `hash` or `even`.

    The images of a group are one unit, and so are copies of an image, under `even` those of one class. A unit with a
    recorded image stays in its part, in the last of train, val and test if there are several. The rule divides the
    other units. Under `hash`, the name of a group alone decides about it.
    """
    grouped = any(item.group for item in listing.found)
    by_class = rule == "even" and not grouped
    units: dict[Unit, list[FoundImage]] = {}
    for item in listing.found:
        units.setdefault((item.label if by_class else "", listing.unit(item)), []).append(item)
    contents = {
        item.key: (item.label, listing.images.digest(item.key))
        for item in (() if record is None else listing.found)
        if rule == "even" or item.group is None
    }
    recorded_parts = {} if record is None else record.parts(contents)
    stays = {
        unit: max((recorded_parts[item.key] for item in members if item.key in recorded_parts), key=PARTS.index)
        for unit, members in units.items()
        if any(item.key in recorded_parts for item in members)
    }
    if rule == "hash":
        part_of = {unit: part_by_content(unit[1]) for unit in units} | stays
    else:
        part_of = _even_groups(units, stays) if grouped else _even_classes(units, stays)
    return {item.key: part_of[unit] for unit, members in units.items() for item in members}


Unit = tuple[str, str]
"""What stays together in a split: a label, or an empty one for images of any class, and a group or content."""


def _even_classes(units: Iterable[Unit], stays: Mapping[Unit, str]) -> dict[Unit, str]:
    """30 % of the contents of each class for test, 20 % for val, in the order of their digests; those that stay count.

    Every class has a training image, and a test image if it has two different images.
    """
    parts = dict(stays)
    by_label: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        by_label[unit[0]].append(unit)
    for same in by_label.values():
        n = len(same)
        n_test = min(max(1, round((1 - TRAIN_SHARE - VAL_SHARE) * n)), n - 1)
        n_val = min(round(VAL_SHARE * n), n - n_test - 1)
        have = Counter(stays[unit] for unit in same if unit in stays)
        new = sorted(unit for unit in same if unit not in stays)
        most = len(new) - (not have["train"])  # one is left for training
        to_test = max(0, min(n_test - have["test"], most))
        to_val = max(0, min(n_val - have["val"], most - to_test))
        for rank, unit in enumerate(new):
            parts[unit] = "test" if rank < to_test else "val" if rank < to_test + to_val else "train"
    return parts


def _even_groups(units: Mapping[Unit, Sequence[FoundImage]], stays: Mapping[Unit, str]) -> dict[Unit, str]:
    """Whole groups, as near to the shares of each class as they allow; those that stay count.

    Groups with few classes' last images come first, then large ones. A group goes to train if a class of it has no
    training image yet, else to test if one has no test image yet, else to the part that lacks most of its classes.
    """
    sizes = Counter(item.label for members in units.values() for item in members)
    spread = Counter(label for members in units.values() for label in {item.label for item in members})
    order = sorted(units, key=lambda unit: (min(spread[item.label] for item in units[unit]), -len(units[unit]), unit))
    have = {part: Counter[str]() for part in _SHARES}
    parts = dict(stays)
    for unit, part in stays.items():
        have[part].update(item.label for item in units[unit])
    for unit in order:
        if unit in stays:
            continue
        labels = Counter(item.label for item in units[unit])
        need = {
            part: sum(share - have[part][label] / sizes[label] for label in labels) for part, share in _SHARES.items()
        }
        first = [part for part in ("train", "test") if any(not have[part][label] for label in labels)]
        parts[unit] = first[0] if first else max(need, key=lambda part: need[part])
        have[parts[unit]].update(labels)
    return parts


def part_by_content(digest: str) -> str:
    """The part of an image, by its hex SHA-256.

    Example:
        >>> part_by_content("00" * 32), part_by_content("80" * 32), part_by_content("ff" * 32)
        ('train', 'val', 'test')
    """
    place = int(digest[:8], 16) / 16**8
    if place < TRAIN_SHARE:
        return "train"
    return "val" if place < TRAIN_SHARE + VAL_SHARE else "test"


def read_custom_dataset(path: Path) -> DatasetInfo:
    """The catalogue entry of a TOML file. Raises RegistrationError, naming the file and the line or field."""
    return read_description(path).info(path.stem, path.parent)


def read_description(path: Path) -> CustomDataset:
    """The content of a TOML file. Raises RegistrationError, naming the file and the line or field."""
    try:
        content = read_toml(path)
    except (OSError, ValueError) as error:
        raise RegistrationError(f"{path} cannot be read as TOML ({error}). Correct or remove that file.") from error
    try:
        return CustomDataset.model_validate(content)
    except ValidationError as error:
        complaints = map(_complaint, error.errors())
        raise RegistrationError(
            f"{path} does not describe a dataset: {'; '.join(complaints)}. Correct that file."
        ) from error


def _complaint(problem: ErrorDetails) -> str:
    """A problem that pydantic found; of a key that does not exist, its name and the nearest one."""
    key = ".".join(map(str, problem["loc"]))
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg']}" if key else problem["msg"].removeprefix("Value error, ")
    near = did_you_mean(
        key, [*CustomDataset.model_fields, *(f"columns.{name}" for name in ColumnNames.model_fields)], most=1
    )
    return f"unknown key {key!r}{f' ({near.strip()})' if near else ''}"


def few_labels(labels: Sequence[str]) -> str:
    """The first labels, for a message."""
    return some([repr(label) for label in labels], most=8)


def to_toml(config: CustomDataset) -> str:
    """The text of the TOML file: a dozen lines, and one per class whose name differs from its label."""
    lines = ["# a custom dataset for etl-bench; `etl-bench doctor docs datasets` explains every line"]
    values = config.model_dump(mode="json", exclude_none=True)
    lines += [f"{name} = {_text(values[name])}" for name in _FIRST if name in values]
    lines.append(f"orient = {'true' if config.orient else 'false'}  # turn images upright by their EXIF orientation")
    if columns := config.columns.named():
        pairs = ", ".join(f"{_text(key)} = {_text(value)}" for key, value in columns.items())
        lines.append(f"columns = {{ {pairs} }}")
    lines.append(f"classes = {_list(config.classes)}")
    for name in ("small_classes", "skip"):
        if listed := getattr(config, name):
            lines.append(f"{name} = {_list(listed)}")
    if not config.names:
        lines.append("names = {}  # names for prompts, where they differ from the labels")
    lines += [f"{name} = {_text(getattr(config, name))}" for name in ("domain", "licence")]
    stated = {"summary", "homepage", "citation"} & config.model_dump(exclude_defaults=True).keys()
    lines += [f"{name} = {_text(getattr(config, name))}" for name in sorted(stated)]
    if config.names:
        lines += ["", "[names]  # names for prompts, where they differ from the labels"]
        lines += [f"{_text(label)} = {_text(name)}" for label, name in config.names.items()]
    return "\n".join(lines) + "\n"


def write_text(text: str, file: Path) -> None:
    """Write a file atomically; raises DataError if its folder cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{file.name}.part{os.getpid()}")
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise DataError(
            f"{file} cannot be written ({error}). Set ETL_BENCH_DATASETS to a writable folder, or give --user."
        ) from error


def _text(text: str) -> str:
    """A TOML basic string; JSON uses the same escapes, except for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(texts: tuple[str, ...]) -> str:
    """A list on one line, or with one text per line if it is long."""
    line = f"[{', '.join(map(_text, texts))}]"
    return line if len(line) <= _LABELS_OF_A_LINE else "[\n" + "".join(f"  {_text(text)},\n" for text in texts) + "]"
