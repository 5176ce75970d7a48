"""Lists the images of a custom dataset that are inside other files: tar files of webdataset, and Hugging Face folders.

In webdataset format, members `KEY.jpg` and `KEY.cls` (or .txt, .json) form pairs. A Hugging Face `datasets` folder is
one that `save_to_disk` writes; it is read without the network.
"""

import re
import tarfile
from functools import lru_cache, partial
from itertools import repeat
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from datasets_registry._custom.listing_folders import (
    PART_NAMES,
    FoundImage,
    Listing,
    check_distinct,
    check_unicode,
    natural_sort_key,
    parse_part,
    printable_name,
)
from datasets_registry._errors import DataError
from datasets_registry._limits import LARGEST_CLASS_LIST, LARGEST_IMAGE, LARGEST_LABEL, MOST_MEMBERS
from datasets_registry._readers.archives import open_tar, read_tar_member
from datasets_registry._readers.dataset_files import group_by_suffix
from datasets_registry._readers.decode import OWN_IMAGES, BadImageError
from datasets_registry._readers.foreign_files import parse_json, read_text, size_text
from datasets_registry._readers.image_formats import image_suffixes
from datasets_registry._readers.image_sources import EncodedImages, read_image_file

LABEL_SUFFIXES = ("cls", "label", "txt", "json")
"""Members that may hold the label, in order of precedence; JSON has it under `label`, `class` or `cls`."""
CLASS_NAME_FILES = ("classnames.txt", "classes.txt")
"""Files beside the tars that give the name of each numeric label, one line per class."""


class _Member(NamedTuple):
    """An image in an uncompressed tar: its name, the position of its bytes, and its label."""

    name: str
    offset: int
    size: int
    label: str


def list_tars(root: Path) -> Listing:
    """All images in the tar files of a folder and its subfolders, with keys `shard.tar!member`.

    There is a given split if every tar file, or its folder, has a name that begins with train, val or test. Raises
    DataError if there is no tar file, one is compressed or damaged, or an image has no label or occurs twice.
    """
    shards = find_tars(root)
    if not shards:
        raise DataError(f"No .tar file in {root} or one folder below. Unpack .tar.gz files to .tar first.")
    words = _class_names(root)
    found: list[FoundImage] = []
    members: dict[str, _Member] = {}
    others: list[str] = []
    for shard in shards:
        name = check_unicode(shard.relative_to(root).as_posix(), f"Folder {root}")
        stat = shard.stat()
        images, unused = _image_members(shard, stat.st_size, stat.st_mtime_ns)
        others += [f"{name}!{other}" for other in unused]
        for member in images:
            key, label = f"{name}!{member.name}", member.label
            text = words[int(label)] if words and label.isdecimal() and int(label) < len(words) else label
            found.append(FoundImage(key, text, _part(name)))
            members[key] = member
    check_distinct((item.key for item in found), str(root))
    if not all(item.part for item in found):
        found = [FoundImage(item.key, item.label) for item in found]
    return Listing(
        EncodedImages(root, partial(_read_member, root, members), OWN_IMAGES), tuple(found), group_by_suffix(others)
    )


def find_tars(root: Path) -> list[Path]:
    """The tar files of a folder and its subfolders, in natural order."""
    return sorted((*root.glob("*.tar"), *root.glob("*/*.tar")), key=lambda path: natural_sort_key(str(path)))


def _read_member(root: Path, members: dict[str, _Member], key: str) -> bytes:
    if (member := members.get(key)) is None:
        raise DataError(f"No image {key!r} in the tar files of {root}. Add the dataset again if they changed.")
    shard = root / key.partition("!")[0]
    if member.size > LARGEST_IMAGE:
        raise DataError(
            f"{key!r} in {root} has {size_text(member.size)}, more than the {size_text(LARGEST_IMAGE)} read."
        )
    try:
        with shard.open("rb") as file:
            file.seek(member.offset)
            content = file.read(member.size)
    except OSError as error:
        raise DataError(f"Tar file {shard} cannot be read ({error}). Check that it still exists.") from error
    if len(content) != member.size:
        raise DataError(f"Tar file {shard} ends in the middle of {key!r}. Get that file again.")
    return content


@lru_cache(maxsize=4096)
def _image_members(shard: Path, _size: int, _mtime_ns: int) -> tuple[tuple[_Member, ...], tuple[str, ...]]:
    """The images of a tar file and its members that are neither image nor label, in tar order.

    Cached until the file changes. Hidden members are ignored.
    """
    where = f"Tar file {shard}"
    suffixes = image_suffixes()
    others: list[str] = []
    images: dict[str, tarfile.TarInfo] = {}
    labels: dict[str, dict[str, bytes]] = {}
    try:
        with open_tar(shard, "r:") as tar:
            for n, member in enumerate(tar, start=1):
                if n > MOST_MEMBERS:
                    raise DataError(f"{where} has more than {MOST_MEMBERS} members. Split it.")
                if not member.isfile() or PurePosixPath(member.name).name.startswith("."):
                    continue
                folder, slash, name = member.name.rpartition("/")
                stem, _, suffix = name.partition(".")  # webdataset's rule: the key ends at the file name's first dot
                stem, suffix = f"{folder}{slash}{stem}", suffix.lower()
                if printable_name(member.name) != member.name:
                    others.append(printable_name(member.name))
                elif f".{suffix.rpartition('.')[2]}" in suffixes:
                    if stem in images:
                        raise DataError(f"{where} has two images of the sample {stem!r}. Keep one image per sample.")
                    images[stem] = member
                elif suffix in LABEL_SUFFIXES:
                    labels.setdefault(stem, {})[suffix] = read_tar_member(tar, member, LARGEST_LABEL)
                else:
                    others.append(printable_name(member.name))
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(
            f"Tar file {shard} cannot be read ({error}). It is damaged or compressed; get it again or gunzip it."
        ) from error
    found = tuple(
        _Member(image.name, image.offset_data, image.size, _label(labels.get(stem, {}), f"{shard}!{image.name}"))
        for stem, image in images.items()
    )
    return found, tuple(others)


def _label(contents: dict[str, bytes], where: str) -> str:
    suffix = next((suffix for suffix in LABEL_SUFFIXES if suffix in contents), None)
    try:
        text = contents[suffix].decode().strip() if suffix else ""
        if suffix == "json":
            fields = parse_json(text.encode())
            text = str(next((fields[name] for name in ("label", "class", "cls") if name in fields), ""))
    except (ValueError, TypeError) as error:
        raise DataError(f"The label of {where} cannot be read ({error}). Write it as UTF-8 text.") from error
    if not text:
        raise DataError(
            f"Image {where} has no label. Add a member of the same name with one of the suffixes "
            f"{', '.join(LABEL_SUFFIXES)}."
        )
    return text


def _class_names(root: Path) -> list[str]:
    file = next((root / name for name in CLASS_NAME_FILES if (root / name).is_file()), None)
    try:
        lines = read_text(file, LARGEST_CLASS_LIST).splitlines() if file else []
    except (OSError, ValueError) as error:
        raise DataError(f"The class names {file} cannot be read ({error}). Write one UTF-8 name per line.") from error
    return [line.strip() for line in lines if line.strip()]


def _part(name: str) -> str | None:
    """The part of a tar file, by the beginning of its folder's name or its own, as in `train-000001.tar`."""
    beginnings = {match[0] for piece in name.split("/") if (match := re.match(r"[^\W\d_]+", piece.lower()))}
    return next((PART_NAMES[word] for word in sorted(PART_NAMES, key=len, reverse=True) if word in beginnings), None)


MARKER_FILES = ("dataset_dict.json", "state.json")
"""Files that `save_to_disk` writes: the first for a dictionary of splits, the second for a single split."""


def list_hub_folder(
    root: Path, *, image: str | None = None, label: str | None = None, group: str | None = None
) -> Listing:
    """All images of a folder, with keys `split/row`. Several splits are treated as a given split.

    Args:
        image: column of the images; None for the only column of that type.
        label: column of the labels; None for the only class label, or the column `label`.
        group: column of the groups; None for none.

    Raises:
        DataError: `datasets` is not installed, the folder cannot be read, a column is ambiguous, a label is missing, or
            a split has an unknown name.
    """
    try:
        import datasets as hub
    except ImportError:
        raise DataError(
            f"{root} is a Hugging Face dataset, and the package that reads it is not installed. "
            f"Run `pip install 'clip-etl-bench[hf]'`."
        ) from None
    try:
        loaded = hub.load_from_disk(str(root))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{root} cannot be read as a Hugging Face dataset ({error}). Write it again with `save_to_disk`."
        ) from error
    several = isinstance(loaded, hub.DatasetDict)
    tables = dict(loaded) if several else {"all": loaded}
    features = next(iter(tables.values())).features
    image = _column(root, features, image, "image", [n for n, f in features.items() if isinstance(f, hub.Image)])
    class_labels = [n for n, f in features.items() if isinstance(f, hub.ClassLabel)]
    label = _column(root, features, label, "label", class_labels or [n for n in ("label",) if n in features])
    words = features[label].names if isinstance(features[label], hub.ClassLabel) else None
    group = None if group is None else _column(root, features, group, "group", [])

    found: list[FoundImage] = []
    for split, table in tables.items():
        part = parse_part(split, f"Dataset {root}") if several else None
        groups = repeat(None) if group is None else table[group]
        for row, (value, member) in enumerate(zip(table[label], groups, strict=group is not None)):
            if value is None or (words is not None and value < 0):
                raise DataError(f"Row {split}/{row} of {root} has no label. Remove it, or give it one.")
            text = words[value] if words is not None else str(value)
            name = check_unicode("" if member is None else str(member), str(root))
            found.append(FoundImage(f"{split}/{row}", check_unicode(text, str(root)), part, name or None))
    undecoded = {split: table.cast_column(image, hub.Image(decode=False)) for split, table in tables.items()}
    return Listing(EncodedImages(root, partial(_read_row, root, undecoded, image), OWN_IMAGES), tuple(found))


def _read_row(root: Path, tables: dict[str, Any], column: str, key: str) -> bytes:
    split, _, row = key.rpartition("/")
    cell = tables[split][int(row)][column]
    if cell["bytes"] is not None:
        return bytes(cell["bytes"])
    try:
        return read_image_file(Path(cell["path"]), OWN_IMAGES)
    except (BadImageError, TypeError) as error:
        problem = error.problem if isinstance(error, BadImageError) else f"cannot be read ({error})"
        raise DataError(
            f"Row {key} of {root} names the file {cell['path']!r}, which {problem}. "
            f"Save the dataset again with the images embedded."
        ) from error


def _column(root: Path, features: Any, named: str | None, what: str, candidates: list[str]) -> str:
    if named is not None and named in features:
        return named
    if named is None and len(candidates) == 1:
        return candidates[0]
    if named is not None:
        raise DataError(f"{root} has no column {named!r}; it has {', '.join(features)}.")
    raise DataError(
        f"{root} has {len(candidates)} columns that could be the {what}, of {', '.join(features)}. "
        f"Name it with --column {'path' if what == 'image' else what}=NAME."
    )
