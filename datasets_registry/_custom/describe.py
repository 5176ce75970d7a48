"""Describes the images of a custom dataset: kind, split rule, classes, readable names, and left-out images."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from datasets_registry._custom.listing_archives import MARKER_FILES, find_tars
from datasets_registry._custom.listing_folders import SKIPPED, Listing, is_split_into_parts
from datasets_registry._custom.listing_tables import ColumnNames, common_folder, guess_columns
from datasets_registry._errors import DataError, did_you_mean
from datasets_registry._readers.tables import TABLE_SUFFIXES

_PREFIX = re.compile(r"(?:n?\d+)[ ._-]+(?=[^\W\d_])")
"""A number or WordNet id in front of a word."""
_CAMEL_CASE = re.compile(r"(?<=[a-z]{2})(?=[A-Z][a-z])")


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
        guess_names: derive readable names from labels.
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
    guess_names: bool = True
    orient: bool | None = None


def describe_images(
    request: AddRequest,
    progress: InspectionProgress | None = None,
    former: CustomDataset | None = None,
    record: ImageRecord | None = None,
) -> tuple[CustomDataset, Inspection, dict[str, int]]:
    """Inspect a folder of class folders, a table, a Hugging Face folder or a folder of tars, and describe it.

    Args:
        former: the earlier description of the same images. Its settings, labels in their order and left-out images
            stay; its place and root are absolute.
        record: of the images whose parts stay, so that another rule moves none of them.

    Returns the description, the inspection of all images, and the number of images of each left-out class.

    Raises:
        BadImagesError: some images cannot be read and `skip_broken` is off, or no image can be read.
        DataError: the path cannot be read, there are fewer than two classes, or a setting does not fit the images.
    """
    request, place = _with_defaults(request, former), request.images
    kind = _kind(place)
    draft = _draft(request, kind if former is None else former.kind)
    if former is not None:
        draft = draft.model_copy(update={"skip": former.skip})
    listing = draft.listing(place.parent, skip_missing=request.skip_broken)
    inspection = inspect_images(listing, progress)
    if inspection.bad and not (request.skip_broken and inspection.facts):
        raise BadImagesError(place, inspection.bad, len(listing.found))
    before, bad = listing.labels, tuple(image.key for image in inspection.bad)
    gone = {*draft.skip} - {*listing.left_out.get(SKIPPED, ())} if draft.kind is not StorageKind.TABLE else {}
    skip = (*(key for key in draft.skip if key not in gone), *bad)
    listing = listing.without(frozenset(bad))
    sizes = Counter(item.label for item in listing.found)
    still_small = former.small_classes if former is not None and not request.min_images else ()
    small = {
        label: sizes[label] for label in before if sizes[label] < max(request.min_images, 1) or label in still_small
    }
    labels = [label for label in listing.labels if label not in small]
    if former is not None:
        labels.sort(key=lambda label: (*former.classes, label).index(label))
    if len(labels) < 2:
        raise _too_few(place, labels, small, request.min_images)
    split = request.split or _split_rule(draft, listing, labels, former, record)
    if split is SplitRule.EVEN and "test" not in divided(listing, split).values():
        raise _no_test_image(place, labels, columns=draft.columns)
    names = chosen_names(labels, request.names, guess=request.guess_names)
    described = {
        "split": split,
        "classes": labels,
        "small_classes": tuple(small),
        "skip": skip,
        "orient": request.orient,
        "template": request.template,
        "title": request.title,
        "names": names,
    }
    if former is not None:
        described |= former.model_dump(include={"summary", "domain", "licence", "homepage", "citation"})
        stay = [label for label in labels if label in former.classes and label not in request.names]
        names |= {label: former.names.get(label, label) for label in stay}
        described["names"] = {label: name for label, name in names.items() if name != label}
    return CustomDataset.model_validate(draft.model_dump() | described), inspection, small


def _with_defaults(request: AddRequest, former: CustomDataset | None) -> AddRequest:
    """The request with what it leaves out: from the former description, else the usual values."""
    plain = replace(
        request,
        template="a photo of a {}." if request.template is None else request.template,
        title=request.title or request.name,
        orient=request.orient is not False,
    )
    if former is None:
        return plain
    return replace(
        plain,
        template=former.template if request.template is None else request.template,
        title=request.title or former.title or request.name,
        orient=former.orient if request.orient is None else request.orient,
        root=request.root or _former_root(former),
        columns=former.columns.model_copy(update=request.columns.named()),
    )


def _former_root(former: CustomDataset) -> Path | None:
    """The folder that the paths of a table are relative to; None for other kinds."""
    if former.kind is not StorageKind.TABLE:
        return None
    return Path(former.images).parent if former.root is None else Path(former.root)


def _split_rule(
    draft: CustomDataset,
    listing: Listing,
    labels: list[str],
    former: CustomDataset | None,
    record: ImageRecord | None,
) -> SplitRule:
    """The rule where none is named: a given split, the former rule, `hash`, or `even` where `hash` lacks images."""
    if draft.split is SplitRule.GIVEN:
        return SplitRule.GIVEN
    if former is not None:
        stays = former.split is not SplitRule.HASH or record is None
        return former.split if stays else _rule_by_content(listing, labels, record)
    return SplitRule.GIVEN if any(item.part for item in listing.found) else _rule_by_content(listing, labels, None)


def _draft(request: AddRequest, kind: StorageKind) -> CustomDataset:
    """The description without the parts that need the listing: classes, names, and a split by content."""
    place, columns, root, split = request.images, request.columns, request.root, request.split
    unused = {
        "--root": root is not None and kind is not StorageKind.TABLE,
        "--column path": columns.path and kind not in (StorageKind.TABLE, StorageKind.HUGGING_FACE),
        "--column label": columns.label and kind not in (StorageKind.TABLE, StorageKind.HUGGING_FACE),
        "--column split": columns.split and kind is not StorageKind.TABLE,
        "--column group": columns.group and kind not in (StorageKind.TABLE, StorageKind.HUGGING_FACE),
    }
    if any(unused.values()):
        names = ", ".join(name for name, given in unused.items() if given)
        raise DataError(f"{names}: {place} is not a table, so this has no effect. Leave it out, or give a table.")
    if kind is StorageKind.TABLE:
        columns = guess_columns(place, columns.named())
        root = root or common_folder(place, columns)
    if kind is StorageKind.FOLDER and split is not SplitRule.GIVEN and is_split_into_parts(place):
        if split is SplitRule.HASH:
            raise DataError(
                f"{place} contains the parts of a split, which --split hash would take for classes. Leave --split out "
                f"to use that split, or give a folder of class folders."
            )
        split = SplitRule.GIVEN
    return CustomDataset.model_construct(  # not validated, because the classes need its listing
        images=str(place.absolute()),
        kind=kind,
        split=split or SplitRule.HASH,
        classes=(),
        root=str(root.absolute()) if root is not None else None,
        columns=columns,
    )


def _too_few(place: Path, labels: list[str], small: Mapping[str, int], min_images: int) -> DataError:
    if small and min_images > 1:
        largest = max(small, key=lambda label: small[label])
        return DataError(
            f"--min-images {min_images} leaves {len(labels)} of the {len(labels) + len(small)} classes of {place}, and "
            f"a benchmark needs at least 2. The largest class left out is {largest!r} with {small[largest]} images."
        )
    lost = f" with a readable image ({few_labels(list(small))} have none)" if small else ""
    return DataError(
        f"{place} has {len(labels)} class{lost}, {few_labels(labels)}; a benchmark needs at least 2. Give the folder "
        f"that contains one folder per class, or a table with more labels."
    )


def _no_test_image(place: Path, labels: list[str], columns: ColumnNames) -> DataError:
    if columns.group is not None:
        return DataError(
            f"No class of {place} has images of two groups (column {columns.group!r}), so none is left for testing. "
            "Name another column with --column group=NAME, or give a column of train, val and test."
        )
    several = next((label for label in labels if re.search(r"[;,|]", label)), None)
    hint = f" {several!r} looks like several labels; write one label per image." if several else ""
    return DataError(
        f"No class of {place} has two different images, so none is left for testing; its {len(labels)} classes are "
        f"{few_labels(labels)}. Give more images of each class.{hint}"
    )


def _rule_by_content(listing: Listing, labels: list[str], record: ImageRecord | None) -> SplitRule:
    """`hash` if it gives every class training and test images, else `even`."""
    found: dict[str, set[str]] = {label: set() for label in labels}
    part_of = divided(listing, SplitRule.HASH, record)
    for item in listing.found:
        if item.label in found:
            found[item.label].add(part_of[item.key])
    return SplitRule.HASH if all({"train", "test"} <= parts for parts in found.values()) else SplitRule.EVEN


def _kind(place: Path) -> StorageKind:
    if place.is_file():
        if place.suffix.lower() in TABLE_SUFFIXES:
            return StorageKind.TABLE
        raise DataError(
            f"{place} is a file, but not a table. Give a folder of images, or one of {', '.join(TABLE_SUFFIXES)}."
        )
    if not place.is_dir():
        raise DataError(f"No images at {place}. Give a folder or a table that exists with --images.")
    if any((place / name).is_file() for name in MARKER_FILES):
        return StorageKind.HUGGING_FACE
    return StorageKind.WEBDATASET if find_tars(place) else StorageKind.FOLDER


def guess_names(labels: Sequence[str]) -> dict[str, str]:
    """More readable names for labels, where they can be found.

    Underscores become spaces, and camel case becomes words. A number in front is dropped if every label has one. Labels
    without a letter, and labels whose names would be equal, are left out.

    Example:
        >>> guess_names(["001.Black_footed_Albatross", "002.Laysan_Albatross"])
        {'001.Black_footed_Albatross': 'Black footed Albatross', '002.Laysan_Albatross': 'Laysan Albatross'}
        >>> guess_names(["AnnualCrop", "iPhone", "7_up", "forest"])
        {'AnnualCrop': 'Annual Crop', '7_up': '7 up'}
    """
    numbered = all(_PREFIX.match(label) for label in labels)
    names = {label: _readable(_PREFIX.sub("", label, count=1) if numbered else label) for label in labels}
    counts = Counter(name.lower() for name in names.values())
    return {label: name for label, name in names.items() if name != label and counts[name.lower()] == 1}


def chosen_names(labels: Sequence[str], given: Mapping[str, str], *, guess: bool) -> dict[str, str]:
    """The names for prompts that differ from their labels: the given names, and guesses for the other labels.

    Raises DataError for a label that does not exist, and for a given name that another class has as well.
    """
    given = {unicodedata.normalize("NFC", label): unicodedata.normalize("NFC", name) for label, name in given.items()}
    for label in given:
        if label not in labels:
            hint = did_you_mean(label, labels)
            raise DataError(f"--name {label}={given[label]}: no class has the label {label!r}.{hint}")
    names = (guess_names(labels) if guess else {}) | given
    for label, name in given.items():
        if same := [other for other in labels if other != label and names.get(other, other) == name]:
            raise DataError(
                f"--name {label}={name}: the class {same[0]!r} has the name {name!r} in prompts as well. Give each "
                f"class its own name, or put the images of one class into one folder."
            )
    return {label: names[label] for label in labels if names.get(label, label) != label}


def similar_names(names: Sequence[str]) -> list[list[str]]:
    """Groups of names that differ only in capitals, accents, spaces, punctuation or a plural s.

    Example:
        >>> similar_names(["sea_gull", "crow", "Sea Gulls", "jay"])
        [['sea_gull', 'Sea Gulls']]
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        plain = "".join(char for char in unicodedata.normalize("NFKD", name).casefold() if char.isalnum())
        groups.setdefault(plain.removesuffix("s") or name, []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _readable(label: str) -> str:
    if not re.search(r"[^\W\d_]", label):
        return label
    words = _CAMEL_CASE.sub(" ", label.replace("_", " "))
    return " ".join(words.split()) or label
