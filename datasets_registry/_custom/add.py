"""Adds a custom dataset: inspects the images, reads them as a run would, and only then writes the TOML file.

`AddedDataset.notes` gives the caveats to show before the first run.
"""

import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from datasets_registry._catalogue import DATASETS
from datasets_registry._custom.dataset import (
    CustomDataset,
    CustomReader,
    SplitRule,
    StorageKind,
    read_custom_dataset,
    read_description,
    to_toml,
    write_text,
)
from datasets_registry._custom.describe import AddRequest, describe_images, similar_names
from datasets_registry._custom.image_record import (
    ImageChanges,
    ImageRecord,
    image_changes,
    known_images,
    new_record,
    read_record,
    record_file,
    record_text,
)
from datasets_registry._custom.inspection import TINY, Inspection, InspectionProgress
from datasets_registry._custom.listing_folders import SKIPPED
from datasets_registry._custom.listing_tables import likely_groups
from datasets_registry._custom.toml_comments import with_comments
from datasets_registry._errors import BenchError, DataError, RegistrationError, some
from datasets_registry._groups import group_notes
from datasets_registry._readers.dataset_files import SMALL
from datasets_registry._readers.decode import keep_warnings
from datasets_registry._readers.image_notes import ImageNotes
from datasets_registry._readers.tables import delimiter_name
from datasets_registry._registry import NAME_PATTERN
from datasets_registry._types import PARTS, DatasetInfo, DatasetSplits, Images

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
        changes: what changed since the images were added before; None if they are new.
        lacks_record: whether the dataset was there without a record of its images.
    """

    info: DatasetInfo
    config: CustomDataset
    splits: DatasetSplits
    file: Path
    inspection: Inspection
    small: dict[str, int]
    changes: ImageChanges | None = None
    lacks_record: bool = False

    @property
    def suggested_shots(self) -> tuple[int, bool]:
        """The number of shots of the first runs, and whether they need `--allow-fewer`.

        The largest of the usual numbers that every class supports. If that is below 4 and half of the classes support
        more, up to 8 that they support, with fewer images of the small classes.
        """
        smallest = min(self.train_sizes)
        every = _usual_shots(smallest)
        half = min(_usual_shots(sorted(self.train_sizes)[len(self.train_sizes) // 2]), 8)
        return (half, True) if smallest and every < FEW_SHOTS <= half else (every, False)

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
    def copies_across_classes(self) -> list[list[str]]:
        """Groups of images with the same bytes in more than one class."""
        copies = self.inspection.copies(self.label_of)
        return [keys for keys in copies if len({self.label_of[key] for key in keys}) > 1]

    @property
    def links_to_other_classes(self) -> dict[str, str]:
        """Images that are links to an image of another class, with the label of that class."""
        return {key: label for key, label in self.inspection.links.items() if key in self.label_of}

    def notes(self) -> Iterator[str]:
        """What changed, and the caveats, one line each."""
        if self.changes is not None:
            yield from self.changes.lines()
        if self.lacks_record:
            yield (
                f"note: there was no {record_file(self.file.parent, self.info.name).name} beside {self.file.name}, so "
                "what changed is not known, and train, val and test are as for new images. Keep both files together."
            )
        yield from _notes(self)

    def facts(self) -> dict[str, object]:
        """The facts as plain values, for a table or JSON."""
        keys, found = list(self.label_of), self.inspection
        table = self.config.kind is StorageKind.TABLE
        delimiter = delimiter_name(self.config.place(self.file.parent)) if table else None
        return {
            "name": self.info.name,
            "file": str(self.file),
            "kind": str(self.config.kind),
            **({} if delimiter is None else {"delimiter": delimiter}),
            "split": str(self.config.split),
            "template": self.info.template,
            "classes": len(self.splits.class_names),
            "class_names": list(self.splits.class_names),
            "images": len(keys),
            "train_images": len(self.splits.train),
            "validation_images": len(self.splits.val),
            "test_images": len(self.splits.test),
            "smallest_class": min(self.train_sizes),
            "suggested_shots": self.suggested_shots[0],
            "allow_fewer": self.suggested_shots[1],
            "image_sizes": found.sizes(keys),
            "tiny_images": len(found.tiny(keys)),
            "turned_by_exif": len(found.turned(keys)),
            "more_frames": sum(found.facts[key].more_frames for key in keys),
            "more_bands": sum(found.facts[key].more_bands for key in keys),
            **({"groups": len(self.groups)} if self.groups else {}),
            "duplicates": sum(len(group) - 1 for group in found.copies(self.label_of)),
            "duplicates_across_classes": len(self.copies_across_classes),
            "links_to_other_classes": len(self.links_to_other_classes),
            "broken_images": len(self.config.skip),
            "small_classes": self.small,
            "left_out": {kind: len(paths) for kind, paths in self.splits.left_out.items() if kind != SKIPPED},
            **({} if self.changes is None else {"changes": self.changes.facts()}),
        }


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
    file = folder / f"{request.name}.toml"
    _check_name(request.name, file)
    former = _former(file, request.images, replace=replace)
    if request.template is not None and request.template.count("{}") != 1:
        how = "more than one" if "{}" in request.template else "no"
        raise BenchError(
            f"--template {request.template!r} has {how} '{{}}' for the class name; write 'a photo of a {{}}.'"
        )
    before = None if former is None else _record(record_file(folder, request.name), replace=replace)
    fresh = replace or former is None or request.split not in (None, former.split)
    record = None if fresh else before
    kept = None if replace or former is None else former.absolute(folder)
    config, inspection, small = describe_images(request, progress, kept, record)
    if kept is not None and former is not None:  # places stay as they are written
        config = config.model_copy(update={"images": former.images})
        config = config.model_copy(update={"root": former.root}) if request.root is None else config
    splits = CustomReader(request.name, config, folder, fresh=fresh)(None)
    images = known_images(splits, config.classes)
    changes = image_changes(before.images, images, _settings(former, config)) if former and before else None
    if config != former:
        text = to_toml(config)
        write_text(text if kept is None else with_comments(text, file.read_text(encoding="utf-8")), file)
    divided_anew = before is None or changes is None or (fresh and changes.moved)
    division = None if before is None or divided_anew else before.division
    now = new_record(images, record, division)
    if now != before:
        write_text(record_text(now), record_file(folder, request.name))
    lacks_record = before is None and not replace and former is not None
    return AddedDataset(read_custom_dataset(file), config, splits, file, inspection, small, changes, lacks_record)


def _former(file: Path, images: Path, *, replace: bool) -> CustomDataset | None:
    """The description of the same images in the file; None without one."""
    if not file.exists():
        return None
    try:
        former = read_description(file)
    except RegistrationError:
        if replace:
            return None
        raise
    place = former.place(file.parent)
    if place.resolve() == images.resolve():
        return former
    if not replace:
        advice = "Give --force to overwrite it, or another name."
        if not place.exists():
            advice = (
                f"If they moved, write {images.absolute()} as `images` into the file and repeat the command. {advice}"
            )
        raise RegistrationError(f"{file} exists and describes {place}. {advice}")
    return None


def _record(file: Path, *, replace: bool) -> ImageRecord | None:
    """The record in a file; None without one, and with `replace` for a damaged one."""
    try:
        return read_record(file)
    except RegistrationError:
        if replace:
            return None
        raise


def _settings(former: CustomDataset, config: CustomDataset) -> tuple[str, ...]:
    """The settings that differ; classes and their images are compared by `image_changes`."""
    both = set(former.classes) & set(config.classes)
    values = [
        one.model_dump(exclude={"classes", "small_classes", "skip", "title"})
        | {"names": {label: one.names.get(label) for label in both}, "title": one.title or config.title}
        for one in (former, config)
    ]
    return tuple(name for name in values[0] if values[0][name] != values[1][name])


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


def _notes(added: AddedDataset) -> Iterator[str]:
    yield from _left_out(added)
    yield from _images(added)
    yield from _groups(added)
    if added.config.split is SplitRule.EVEN:
        yield (
            "note: few images, so each class is split evenly. Repeat `datasets add` after you add images; it keeps "
            "those of today in their part."
        )
    names = added.splits.class_names
    smallest, name = min(zip(added.train_sizes, names, strict=True), key=lambda pair: pair[0])
    if smallest < USUAL_SHOTS[0]:
        images = "1 training image" if smallest == 1 else f"{smallest} training images"
        yield f"note: class {name!r} has {images}: {_shots_note(added, smallest)}"
    tested = {sample.label for sample in added.splits.test}
    if untested := [name for label, name in enumerate(names) if label not in tested]:
        yield f"note: {_are(len(untested), 'class')} without a test image, for example {untested[0]!r}."
    yield from _names(added)


def _usual_shots(images: int) -> int:
    """The largest of the usual numbers of shots that a class of so many training images supports; at least 1."""
    return next((shots for shots in USUAL_SHOTS if shots <= images), 1)


def _shots_note(added: AddedDataset, smallest: int) -> str:
    shots, fewer = added.suggested_shots
    if not smallest:
        return "few-shot runs refuse it. Give it training images, or remove it."
    if fewer:
        return (
            f"--shots {shots} needs --allow-fewer, which takes what a class has; without it, --shots can be at most "
            f"{smallest}. `datasets add --min-images N` leaves small classes out."
        )
    return (
        f"--shots can be at most {smallest}, of the usual numbers {shots}. To use more, `run --allow-fewer` takes what "
        f"a class has, and `datasets add --min-images N` leaves small classes out."
    )


def _left_out(added: AddedDataset) -> Iterator[str]:
    left_out = {kind: paths for kind, paths in added.splits.left_out.items() if kind != SKIPPED}
    if added.small:
        # their images are named by their class
        left_out = {kind: paths for kind, paths in left_out.items() if kind != SMALL}
        listed = ", ".join(f"{label!r} with {size}" for label, size in added.small.items())
        yield (
            f"note: {_are(len(added.small), 'class')} left out, having too few images: {listed}. `datasets add "
            "--min-images N` uses classes of N images or more."
        )
    notes = ImageNotes()
    for kind, paths in left_out.items():
        for path in paths:
            notes.leave_out(kind, path)
    for path in added.inspection.unnamed:
        notes.leave_out_unnamed(path)
    for key in added.label_of:
        notes.add(key, added.inspection.facts[key])
    yield from notes.lines(in_class_folders=True)
    with keep_warnings():
        readable = [key for key in added.config.skip if _is_readable(added.splits.images, key)]
    if broken := [key for key in added.config.skip if key not in readable]:
        listed = f"listed under `skip` in {added.file}: {some(broken)}"
        yield f"note: {_are(len(broken), 'broken image')} left out and {listed}."
    if readable:
        yield (
            f"note: {_are(len(readable), 'readable image')} left out under `skip` in {added.file}: {some(readable)}. "
            "Remove the line to use what is readable, and repeat the command."
        )


def _is_readable(images: Images, key: str) -> bool:
    try:
        images.load(key)
    except DataError:
        return False
    return True


def _images(added: AddedDataset) -> Iterator[str]:
    found, keys = added.inspection, list(added.label_of)
    if copies := added.copies_across_classes:
        yield (
            f"note: {_are(len(copies), 'image')} in more than one class with the same bytes, for example "
            f"{' and '.join(copies[0][:2])}. At most one of the labels can be right; remove the other copies."
        )
    if links := added.links_to_other_classes:
        key, label = next(iter(links.items()))
        yield f"note: {_are(len(links), 'image')} linked from another class, for example {key} from class {label!r}."
    if tiny := found.tiny(keys):
        yield f"note: {_are(len(tiny), 'image')} less than {TINY} pixels wide or high ({some(tiny)})."
    if misnamed := found.misnamed(keys):
        yield (
            f"note: {_are(len(misnamed), 'image')} not in the format that the suffix names, which does no harm: "
            f"{some(misnamed)}."
        )
    if turned := found.turned(keys):
        how = "turned upright" if added.config.orient else "left as stored"
        yield f"note: {_are(len(turned), 'image')} {how}, by EXIF orientation and `orient` in {added.file}."


def _groups(added: AddedDataset) -> Iterator[str]:
    for _, text in group_notes(added.splits):
        yield f"note: {text}"
    if added.groups:
        column = added.config.columns.group
        kept = "" if added.config.split is SplitRule.GIVEN else ", and the split keeps each of them in one part"
        yield f"note: column {column!r} gives {len(added.groups)} groups; images of a group are not independent{kept}."
    elif added.config.kind is StorageKind.TABLE and (likely := likely_groups(added.config.place(added.file.parent))):
        yield (
            f"note: if images with the same {likely!r} belong together, repeat with --column "
            f"{shlex.quote(f'group={likely}')}, so that they stay in one part and intervals are over groups."
        )


def _names(added: AddedDataset) -> Iterator[str]:
    if names := added.config.names:
        listed = some([f"{label!r} is {name!r}" for label, name in names.items()], most=5)
        yield f"note: names in prompts: {listed}. Edit them under [names] in {added.file}, or give --name LABEL=NAME."
    for similar in similar_names(added.splits.class_names):
        yield (
            f"note: the classes {' and '.join(map(repr, similar))} have nearly the same name in prompts. If they are "
            f"one class, put their images into one folder; if not, give other names with --name LABEL=NAME."
        )
    if numbers := [name for name in added.splits.class_names if name.strip().isdecimal()]:
        yield (
            f"note: {_are(len(numbers), 'class name')} numbers, such as {numbers[0]!r}, which mean nothing to CLIP. "
            f'Write words into `names` in {added.file}, such as names = {{ "{numbers[0]}" = "robin" }}.'
        )


def _are(number: int, noun: str) -> str:
    """`1 image is` or `2 images are`."""
    if number == 1:
        return f"1 {noun} is"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'} are"
