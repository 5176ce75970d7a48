"""Describes the images of a custom dataset: kind, split rule, classes, names, and left-out images."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasets_registry._custom.dataset import (
    CustomDataset,
    SplitRule,
    StorageKind,
    divided,
    few_labels,
)
from datasets_registry._custom.image_record import ImageRecord
from datasets_registry._custom.inspection import BadImagesError, Inspection, InspectionProgress, inspect_images
from datasets_registry._custom.listing_folders import Listing, is_split_into_parts
from datasets_registry._custom.listing_hub import MARKER_FILES
from datasets_registry._custom.listing_tables import ColumnNames, common_folder, guess_columns
from datasets_registry._errors import DataError, did_you_mean
from datasets_registry._readers.tables import TABLE_SUFFIXES


@dataclass(frozen=True)
class AddRequest:
    """The user's description of their images, a folder or a table.

    What is None, empty or missing is as in the dataset's file if that exists.

    Args:
        template: by default "a photo of a {}."
        title: the name in tables; by default `name`.
        split: the split rule. None means a given split if there is one, else `hash`, or `even` if `hash` leaves a class
            without training or test images.
        root: for a table, the folder its paths are relative to. None means the table's folder, or the common folder of
            absolute paths.
        columns: names of columns; for a missing name, the usual names are tried.
        skip_broken: leave out unreadable images instead of raising an error.
        min_images: leave out classes with fewer images.
        names: class names for prompts, by label.
        orient: turn images upright by their EXIF orientation.
    """

    name: str
    images: Path
    template: str | None
    title: str
    split: SplitRule | None
    root: Path | None
    columns: ColumnNames
    skip_broken: bool = False
    min_images: int = 0
    names: Mapping[str, str] = field(default_factory=dict)
    orient: bool | None = None


def describe_images(
    request: AddRequest,
    progress: InspectionProgress | None = None,
    former: CustomDataset | None = None,
    record: ImageRecord | None = None,
) -> tuple[CustomDataset, Inspection, dict[str, int]]:
    """Inspect a folder of class folders, a table or a Hugging Face folder, and describe it.

    Args:
        former: the earlier description of the same images. Its settings, labels in their order and left-out images
            stay; its place and root are absolute.
        record: of the images whose parts stay.

    Returns the description, the inspection of all images, and the number of images of each left-out class.

    Raises:
        BadImagesError: some images cannot be read and `skip_broken` is off, or no image can be read.
        DataError: the path cannot be read, there are fewer than two classes, or a setting does not fit the images.
    """
    place = request.images
    draft = _draft(request, former)
    listing = draft.listing(place.parent, skip_missing=request.skip_broken)
    inspection = inspect_images(listing, progress)
    if inspection.bad and not (request.skip_broken and inspection.facts):
        raise BadImagesError(place, inspection.bad, len(listing.found))
    bad = tuple(image.key for image in inspection.bad)
    all_labels, listing = listing.labels, listing.without(frozenset(bad))
    sizes = Counter(item.label for item in listing.found)
    still_small = former.small_classes if former is not None and not request.min_images else ()
    small = {
        label: sizes[label] for label in all_labels if sizes[label] < max(request.min_images, 1) or label in still_small
    }
    labels = [label for label in all_labels if label not in small]
    if former is not None:
        labels.sort(key=lambda label: (*former.classes, label).index(label))
    if len(labels) < 2:
        left_out = f" The largest class left out has {max(small.values())} images." if small else ""
        raise DataError(
            f"{place} has {len(labels)} class{'' if len(labels) == 1 else 'es'}, {few_labels(labels)}; a benchmark "
            "needs at least 2. Give the folder that contains one folder per class, or a table with more labels."
            + left_out
        )
    split = draft.split
    if request.split is None and former is None and split != "given":
        has_parts = any(item.part for item in listing.found)
        split = "given" if has_parts else _rule_by_content(listing, labels)
    if split == "even" and "test" not in divided(listing, split, record).values():
        raise _no_test_image(place, labels, columns=draft.columns)
    described = {
        "split": split,
        "classes": labels,
        "small_classes": tuple(small),
        "skip": (*(key for key in draft.skip if draft.kind != "folder" or (place / key).exists()), *bad),
        "names": chosen_names(labels, request.names, {} if former is None else former.names),
        **({} if request.orient is None else {"orient": request.orient}),
        **({} if request.template is None else {"template": request.template}),
        "title": request.title or draft.title or request.name,
    }
    return CustomDataset.model_validate(draft.model_dump() | described), inspection, small


def _draft(request: AddRequest, former: CustomDataset | None) -> CustomDataset:
    """The description without what needs the listing: the former one with the places and columns of the request."""
    place, columns, root = request.images, request.columns, request.root
    kind = _kind(place)
    if kind == "folder" and (columns.named() or root is not None):
        raise DataError(f"{place} is not a table, so --column and --root have no effect. Leave them out.")
    if former is not None:
        columns = former.columns.model_copy(update=columns.named())
    if kind == "table":
        columns = guess_columns(place, columns.named())
        root = root or (common_folder(place, columns) if former is None else Path(former.root or place.parent))
    split = request.split or (former.split if former is not None else "hash")
    if kind == "folder" and request.split != "given" and is_split_into_parts(place):
        if request.split is not None:
            raise DataError(
                f"{place} contains the parts of a split, which --split {request.split} would take for classes. Leave "
                f"--split out to use that split, or give a folder of class folders."
            )
        split = "given"
    plain = CustomDataset.model_construct(images="", classes=(), orient=True) if former is None else former
    return plain.model_copy(  # not validated, because the classes need its listing
        update={
            "images": str(place.absolute()),
            "kind": kind,
            "split": split,
            "root": None if root is None else str(root.absolute()),
            "columns": columns,
        }
    )


def _no_test_image(place: Path, labels: list[str], columns: ColumnNames) -> DataError:
    if columns.group is not None:
        return DataError(
            f"No class of {place} has images of two groups (column {columns.group!r}), so none is left for testing. "
            "Name another column with --column group=NAME, or give a column of train, val and test."
        )
    return DataError(
        f"No class of {place} has two different images, so none is left for testing; its {len(labels)} classes are "
        f"{few_labels(labels)}. Give more images of each class."
    )


def _rule_by_content(listing: Listing, labels: list[str]) -> SplitRule:
    """`hash` if it gives every class training and test images, else `even`."""
    parts_of: dict[str, set[str]] = {label: set() for label in labels}
    part_of = divided(listing, "hash")
    for item in listing.found:
        if item.label in parts_of:
            parts_of[item.label].add(part_of[item.key])
    return "hash" if all({"train", "test"} <= parts for parts in parts_of.values()) else "even"


def _kind(place: Path) -> StorageKind:
    if place.is_file():
        if place.suffix.lower() in TABLE_SUFFIXES:
            return "table"
        raise DataError(
            f"{place} is a file, but not a table. Give a folder of images, or one of {', '.join(TABLE_SUFFIXES)}."
        )
    if not place.is_dir():
        raise DataError(f"No images at {place}. Give a folder or a table that exists with --images.")
    saved = any((place / name).is_file() for name in MARKER_FILES)
    return "huggingface" if saved else "folder"


def chosen_names(labels: Sequence[str], given: Mapping[str, str], former: Mapping[str, str]) -> dict[str, str]:
    """The names for prompts that differ from their labels: the given names, and the former ones of other labels.

    Raises DataError for a label that does not exist, and for a given name that another class has as well.
    """
    given = {unicodedata.normalize("NFC", label): unicodedata.normalize("NFC", name) for label, name in given.items()}
    for label in given:
        if label not in labels:
            hint = did_you_mean(label, labels)
            raise DataError(f"--name {label}={given[label]}: no class has the label {label!r}.{hint}")
    names = {label: label for label in labels} | {k: former[k] for k in labels if k in former} | given
    for label, name in given.items():
        if same := [other for other in labels if other != label and names[other] == name]:
            raise DataError(
                f"--name {label}={name}: the class {same[0]!r} has the name {name!r} in prompts as well. Give each "
                f"class its own name, or put the images of one class into one folder."
            )
    return {label: name for label, name in names.items() if name != label}
