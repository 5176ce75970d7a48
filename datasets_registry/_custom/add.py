"""Adds a custom dataset: inspects the images, reads them as a run would, and only then writes the TOML file.

`AddedDataset.notes` gives the caveats to show before the first run.
"""

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from datasets_registry._catalogue import DATASETS
from datasets_registry._custom.dataset import (
    CustomDataset,
    CustomReader,
    read_custom_dataset,
    read_description,
    to_toml,
    write_text,
)
from datasets_registry._custom.describe import AddRequest, describe_images
from datasets_registry._custom.image_record import new_record, read_record, record_file, record_text
from datasets_registry._custom.inspection import Inspection, InspectionProgress
from datasets_registry._custom.listing_folders import SKIPPED
from datasets_registry._custom.listing_tables import likely_groups
from datasets_registry._errors import BenchError, RegistrationError, some
from datasets_registry._groups import group_notes
from datasets_registry._readers.dataset_files import SMALL
from datasets_registry._readers.image_notes import ImageNotes
from datasets_registry._readers.tables import delimiter_name
from datasets_registry._registry import NAME_PATTERN
from datasets_registry._types import PARTS, DatasetInfo, DatasetSplits

USUAL_SHOTS = (16, 8, 4, 2, 1)
FEW_SHOTS = 4
"""Below this number of shots, a few small classes do not limit the others."""


@dataclass(frozen=True)
class AddedDataset:
    """A dataset that was added.

    Args:
        info: its entry.
        splits: its images, as a run reads them.
        file: its TOML file.
        inspection: the facts of every image.
        small: number of images of each left-out class.
    """

    info: DatasetInfo
    config: CustomDataset
    splits: DatasetSplits
    file: Path
    inspection: Inspection
    small: dict[str, int]

    @property
    def suggested_shots(self) -> tuple[int, bool]:
        """The number of shots of the first runs, and whether they need `--allow-fewer`.

        The largest of the usual numbers that every class supports. If that is below 4 and half of the classes support
        more, up to 8 that they support, with fewer images of the small classes.
        """
        smallest = min(self.train_sizes)
        of_all = _usual_shots(smallest)
        half = min(_usual_shots(sorted(self.train_sizes)[len(self.train_sizes) // 2]), 8)
        return (half, True) if smallest and of_all < FEW_SHOTS <= half else (of_all, False)

    @cached_property
    def label_of(self) -> dict[str, str]:
        """The label of each used image, by key."""
        samples = (sample for part in PARTS for sample in getattr(self.splits, part))
        return {sample.key: self.config.classes[sample.label] for sample in samples}

    @cached_property
    def train_sizes(self) -> list[int]:
        """Number of training images of each class."""
        counts = Counter(sample.label for sample in self.splits.train)
        return [counts[label] for label in range(len(self.splits.class_names))]

    @cached_property
    def groups(self) -> set[str]:
        """The groups of the images, such as patients."""
        return {sample.group for part in PARTS for sample in getattr(self.splits, part) if sample.group}

    @cached_property
    def copies(self) -> list[list[str]]:
        """Keys of images with the same bytes; those that are in more than one class come first."""
        by_digest: defaultdict[str, list[str]] = defaultdict(list)
        for key in self.label_of:
            by_digest[self.inspection.digests[key]].append(key)
        return sorted(
            (keys for keys in by_digest.values() if len(keys) > 1), key=lambda keys: not self._in_two_classes(keys)
        )

    def _in_two_classes(self, keys: list[str]) -> bool:
        return len({self.label_of[key] for key in keys}) > 1

    def facts(self) -> dict[str, object]:
        """The facts as plain values, for a table or JSON."""
        images = [self.inspection.facts[key] for key in self.label_of]
        sizes = sorted((image.size for image in images), key=lambda size: size[0] * size[1])
        three = {"smallest": sizes[0], "median": sizes[(len(sizes) - 1) // 2], "largest": sizes[-1]}
        table = self.config.kind == "table"
        delimiter = delimiter_name(self.config.place(self.file.parent)) if table else None
        return {
            "name": self.info.name,
            "file": str(self.file),
            "kind": self.config.kind,
            **({} if delimiter is None else {"delimiter": delimiter}),
            "split": self.config.split,
            "template": self.info.template,
            "classes": len(self.splits.class_names),
            "class_names": list(self.splits.class_names),
            "images": len(images),
            "train_images": len(self.splits.train),
            "validation_images": len(self.splits.val),
            "test_images": len(self.splits.test),
            "smallest_class": min(self.train_sizes),
            "suggested_shots": self.suggested_shots[0],
            "allow_fewer": self.suggested_shots[1],
            "image_sizes": {name: f"{width}x{height}" for name, (width, height) in three.items()},
            "turned_by_exif": sum(image.turned for image in images),
            "more_frames": sum(image.more_frames for image in images),
            "more_bands": sum(image.more_bands for image in images),
            **({"groups": len(self.groups)} if self.groups else {}),
            "duplicates": sum(len(keys) - 1 for keys in self.copies),
            "duplicates_across_classes": sum(map(self._in_two_classes, self.copies)),
            "broken_images": len(self.config.skip),
            "small_classes": self.small,
            "left_out": {kind: len(paths) for kind, paths in self.splits.left_out.items() if kind != SKIPPED},
        }

    def notes(self) -> Iterator[str]:
        """The caveats, one line each."""
        yield from self._left_out()
        if self.copies:
            copies = f"{len(self.copies)} image{'s occur' if len(self.copies) > 1 else ' occurs'} more than once"
            across = sum(map(self._in_two_classes, self.copies))
            labels = f", {across} of them in more than one class, where one label at most is right" if across else ""
            examples = some([" and ".join(keys) for keys in self.copies])
            yield f"note: {copies} with the same bytes{labels}: {examples}. Remove the other copies."
        yield from self._groups()
        if self.config.split == "hash":
            yield "note: half of the images are for training, a fifth for validation; the content of an image decides."
        if self.config.split == "even":
            yield (
                "note: few images, so each class is split evenly. Repeat `datasets add` after you add images; it keeps "
                "those of today in their part."
            )
        class_names = self.splits.class_names
        smallest, name = min(zip(self.train_sizes, class_names, strict=True), key=lambda pair: pair[0])
        if smallest < USUAL_SHOTS[0]:
            images = "1 training image" if smallest == 1 else f"{smallest} training images"
            yield f"note: class {name!r} has {images}: {self._shots_note(smallest)}"
        tested = {sample.label for sample in self.splits.test}
        if untested := [name for label, name in enumerate(class_names) if label not in tested]:
            yield f"note: {_are(len(untested), 'class')} without a test image, for example {untested[0]!r}."
        if numbers := [name for name in class_names if name.strip().isdecimal()]:
            yield (
                f"note: {_are(len(numbers), 'class name')} numbers, such as {numbers[0]!r}, which mean nothing to "
                f'CLIP. Write words into `names` in {self.file}, such as names = {{ "{numbers[0]}" = "robin" }}.'
            )

    def _left_out(self) -> Iterator[str]:
        left_out = {kind: paths for kind, paths in self.splits.left_out.items() if kind != SKIPPED}
        if self.small:
            left_out.pop(SMALL, None)  # their images are named by their class
            listed = ", ".join(f"{label!r} with {size}" for label, size in self.small.items())
            yield (
                f"note: {_are(len(self.small), 'class')} left out, having too few images: {listed}. `datasets add "
                "--min-images N` uses classes of N images or more."
            )
        notes = ImageNotes()
        for kind, paths in left_out.items():
            for path in paths:
                notes.leave_out(kind, path)
        for key in self.label_of:
            notes.add(key, self.inspection.facts[key])
        yield from notes.lines(in_class_folders=True)
        if broken := self.config.skip:
            listed = f"listed under `skip` in {self.file}: {some(broken)}"
            yield f"note: {_are(len(broken), 'broken image')} left out and {listed}."

    def _groups(self) -> Iterator[str]:
        for _, text in group_notes(self.splits):
            yield f"note: {text}"
        if self.groups:
            column = self.config.columns.group
            split = "" if self.config.split == "given" else ", and the split keeps each of them in one part"
            yield (
                f"note: column {column!r} gives {len(self.groups)} groups; images of a group are not independent"
                f"{split}."
            )
        elif self.config.kind == "table" and (likely := likely_groups(self.config.place(self.file.parent))):
            yield (
                f"note: if images with the same {likely!r} belong together, repeat with --column "
                f"{shlex.quote(f'group={likely}')}, so that they stay in one part and intervals are over groups."
            )

    def _shots_note(self, smallest: int) -> str:
        shots, fewer = self.suggested_shots
        if not smallest:
            return "few-shot runs refuse it. Give it training images, or remove it."
        advice = "`datasets add --min-images N` leaves small classes out."
        if fewer:
            return (
                f"--shots {shots} needs --allow-fewer, which takes what a class has; without it, --shots can be at "
                f"most {smallest}. {advice}"
            )
        return (
            f"--shots can be at most {smallest}; of the usual numbers, take {shots}. To use more, `run --allow-fewer` "
            f"takes what a class has, and {advice}"
        )


def add_custom_dataset(
    request: AddRequest, folder: Path, *, replace: bool, progress: InspectionProgress | None = None
) -> AddedDataset:
    """Inspect all images, read them as a run would, then write `folder/NAME.toml` and the record of the images.

    If the file describes the same images already, it is brought up to date: what the request does not name stays, and
    known images stay in their part of the split unless the request names another rule.

    Args:
        replace: describe the images as new ones, whatever the file says.
        progress: receives the number of inspected images and of all images.

    Raises:
        RegistrationError: the name is malformed or taken, or the file describes other images and `replace` is false.
        BadImagesError: some images cannot be read; the error lists all of them.
        DataError: there are too few images or classes, or the folder cannot be written.
    """
    file, places = folder / f"{request.name}.toml", record_file(folder, request.name)
    _check_name(request.name, file)
    if request.template is not None and request.template.count("{}") != 1:
        how = "more than one" if "{}" in request.template else "no"
        raise BenchError(
            f"--template {request.template!r} has {how} '{{}}' for the class name; write 'a photo of a {{}}.'"
        )
    former = None if replace or not file.exists() else _former(file, request.images)
    fresh = former is None or request.split not in (None, former.split)
    record = None if fresh else read_record(places)
    absolute = None if former is None else former.absolute(folder)
    config, inspection, small = describe_images(request, progress, absolute, record)
    if former is not None:  # places stay as they are written
        root = former.root if request.root is None else config.root
        config = config.model_copy(update={"images": former.images, "root": root})
    splits = CustomReader(request.name, config, folder, fresh=fresh)(None)
    if config != former:
        write_text(to_toml(config), file)
    today = new_record(splits, config.classes, record)
    if today != record:
        write_text(record_text(today), places)
    return AddedDataset(read_custom_dataset(file), config, splits, file, inspection, small)


def _former(file: Path, images: Path) -> CustomDataset:
    """The description in a file; raises RegistrationError if it describes other images, which exist."""
    former = read_description(file)
    place = former.place(file.parent)
    if images.exists() and place.resolve() != images.resolve():
        moved = "" if place.exists() else f"If they moved, write {images.absolute()} as `images` into the file. "
        raise RegistrationError(
            f"{file} exists and describes {place}. {moved}Give --force to overwrite it, or another name."
        )
    return former


def _check_name(name: str, file: Path) -> None:
    if not NAME_PATTERN.fullmatch(name):
        raise RegistrationError(
            f"Dataset name {name!r} must match {NAME_PATTERN.pattern!r}: lower-case letters, digits and _, "
            f"starting with a letter."
        )
    if name == "all":
        raise RegistrationError("'all' selects every dataset; give your images another name.")
    if name in DATASETS and not file.exists():
        raise RegistrationError(f"Dataset {name!r} is already in the catalogue. Give your images another name.")


def _usual_shots(images: int) -> int:
    """The largest of the usual numbers of shots that a class of so many training images supports; at least 1."""
    return next((shots for shots in USUAL_SHOTS if shots <= images), 1)


def _are(number: int, noun: str) -> str:
    """`1 image is` or `2 images are`."""
    if number == 1:
        return f"1 {noun} is"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'} are"
