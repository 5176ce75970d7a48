"""The files of a dataset on disk: its images, the text tables beside them, and the files that are left out.

Images are found in the usual folders, or by file name in all other layouts. Keys are those of the split file in every
layout, so draws, fingerprints and cached features are equal for CoOp's and torchvision's folders.
"""

import csv
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path, PurePosixPath

from datasets_registry._errors import DataError, MissingDataError
from datasets_registry._limits import LARGEST_TABLE
from datasets_registry._readers.foreign_files import read_text
from datasets_registry._readers.image_formats import PACKAGE_OF_SUFFIX, image_suffixes
from datasets_registry._readers.image_sources import ImageFiles
from datasets_registry._types import Sample

LeftOut = Mapping[str, tuple[str, ...]]
"""Files and folders that a dataset does not use, by their kind in messages, such as `.heic files`."""

MISNAMED = "images with a name that is not UTF-8"
"""Kind of the left-out files that Python cannot name in text."""
UNLISTED = "images of classes that `classes` does not list"
SMALL = "images of classes that `small_classes` lists"
"""Kinds of the left-out images of a custom dataset, whose file lists its classes."""
_OF_CLASSES = {
    UNLISTED: "To use images of further classes, add these to `classes` in the dataset's file.",
    SMALL: "`datasets add --min-images N` says which classes are too small.",
}


@dataclass(frozen=True)
class ImageFolders:
    """The folders that may hold one dataset's images.

    Args:
        candidates: folders relative to the data folder, with the names of their layouts; CoOp's folder first.
        folder_aliases: other names of a folder that keys begin with (`cars_train` -> `train`), for the search by file
            name.
    """

    dataset: str
    candidates: Mapping[str, str]
    folder_aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def dataset_folders(self, data_root: Path) -> list[Path]:
        """The dataset's existing folders: the first parts of the candidates."""
        names = dict.fromkeys(PurePosixPath(path).parts[0] for path in self.candidates)
        return [data_root / name for name in names if (data_root / name).is_dir()]

    def first_existing(self, data_root: Path) -> str | None:
        """The first candidate that exists."""
        return next((path for path in self.candidates if (data_root / path).is_dir()), None)

    def find_images(self, data_root: Path, keys: Sequence[str]) -> tuple[ImageFiles, str] | None:
        """The source of these images and the name of their layout; None if some image is not found.

        A candidate folder with all images is used. Otherwise the dataset's folders are searched by file name; if
        several keys have the same file name, the key's folder must be among the folders of the file's path.
        """
        for path, layout in self.candidates.items():
            images = ImageFiles(data_root / path)
            if images.root.is_dir() and not images.missing(keys):
                return images, layout
        for top in self.dataset_folders(data_root):
            if (places := find_by_name(top, keys, self.folder_aliases)) is not None:
                return ImageFiles(top, places), f"files of these names below {top.name}/"
        return None


def find_by_name(top: Path, keys: Sequence[str], folder_aliases: Mapping[str, Sequence[str]]) -> dict[str, str] | None:
    """The path below `top` of each key, or None unless every key is found exactly once."""
    keys_by_name: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
    for key in keys:
        path = PurePosixPath(key)
        keys_by_name[path.name].append(path)
    files: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
    for folder, _, names in os.walk(top):  # does not follow links, so circular links are harmless
        below = PurePosixPath(Path(folder).relative_to(top).as_posix())
        for name in names:
            if name in keys_by_name:
                files[name].append(below / name)
    if set(files) != set(keys_by_name):
        return None
    place_of: dict[str, str] = {}
    for name, paths in keys_by_name.items():
        for path in paths:
            matches = files[name]
            if len(paths) > 1 or len(matches) > 1:
                parent = path.parent.name
                matches = _inside(files[name], [parent]) or _inside(files[name], folder_aliases.get(parent, ()))
            if len(matches) != 1:
                return None
            place_of[str(path)] = str(matches[0])
    return place_of


def _inside(files: Sequence[PurePosixPath], folders: Sequence[str]) -> list[PurePosixPath]:
    return [file for file in files if set(folders) & set(file.parts[:-1])]


def image_names(folder: Path) -> tuple[list[str], list[str]]:
    """The images of a folder, and its other files; both sorted by name, without hidden files."""
    suffixes = image_suffixes()
    images: list[str] = []
    other_files: list[str] = []
    for entry in os.scandir(folder):
        if not entry.name.startswith("."):
            if Path(entry.name).suffix.lower() in suffixes:
                images.append(entry.name)
            elif entry.is_file():
                other_files.append(entry.name)
    return sorted(images), sorted(other_files)


def class_folders(folder: Path) -> list[str]:
    """The subfolders of a folder, sorted by name."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def require_root(dataset: str, data_root: Path | None, layouts: Iterable[str]) -> Path:
    """The data folder; raises MissingDataError, listing its expected contents, if none was given."""
    if data_root is None:
        raise MissingDataError(
            f"Dataset {dataset!r} is read from disk, but no data folder was given. "
            f"Pass --data-root FOLDER or set ETL_BENCH_DATA; the folder must contain {' or '.join(layouts)}."
        )
    return data_root


def require_images(image_folders: ImageFolders, data_root: Path | None, advice: str = "") -> tuple[Path, Path, str]:
    """The data folder, the first candidate in it that exists, and the name of its layout.

    Raises MissingDataError, listing the candidates and ending with `advice`, if there is no data folder or none of
    them exists.
    """
    root = require_root(image_folders.dataset, data_root, image_folders.candidates)
    if (path := image_folders.first_existing(root)) is None:
        where = " or ".join(image_folders.candidates)
        raise MissingDataError(f"No images of {image_folders.dataset!r} below {root}: it must contain {where}.{advice}")
    return root, root / path, image_folders.candidates[path]


def listed_images(dataset: str, folder: Path, samples: Iterable[Sample], archive: str) -> ImageFiles:
    """The images below a folder. Raises DataError, naming the archive to unpack again, if one of the samples is not."""
    images = ImageFiles(folder)
    keys = [sample.key for sample in samples]
    if absent := images.missing(keys):
        raise DataError(
            f"{len(absent)} of the {len(keys)} listed images of dataset {dataset!r} are not below {folder}, for "
            f"example {absent[0]}. Unpack {archive} again."
        )
    return images


def packaged_names(dataset: str) -> tuple[str, ...]:
    """The class names of `data/<dataset>.txt`, in label order."""
    path = resources.files("datasets_registry") / "data" / f"{dataset}.txt"
    return tuple(path.read_text(encoding="utf-8").splitlines())


def left_out_advice(left_out: Mapping[str, Sequence[str]], *, in_class_folders: bool = True) -> str:
    """What to do about left-out files, with the packages that read known suffixes.

    Example:
        >>> left_out_advice({".heic files": ("a/1.heic",)})[:61]
        'Run `pip install pillow-heif` to read the .heic files. Conver'
    """
    class_advice = [text for kind, text in _OF_CLASSES.items() if kind in left_out]
    if class_advice and set(left_out) <= _OF_CLASSES.keys():
        return " ".join(class_advice)
    packages = {f"{suffix} files": (suffix, package) for suffix, package in PACKAGE_OF_SUFFIX.items()}
    needed_packages = [packages[kind] for kind in left_out if kind in packages]
    install = "".join(f"Run `pip install {name}` to read the {end} files. " for end, name in needed_packages)
    if MISNAMED in left_out:
        install += "Rename images, for example with `convmv -f latin1 -t utf8 -r --notest`. "
    put = ", and put every image into the folder of its class" if in_class_folders else ""
    among = "the others" if class_advice else "them"
    return " ".join([*class_advice, f"{install}Convert images among {among} to PNG or JPEG{put}."])


def kind_by_suffix(path: str) -> str:
    """The kind of a left-out file.

    Example:
        >>> kind_by_suffix("a/1.HEIC"), kind_by_suffix("a/README")
        ('.heic files', 'files without suffix')
    """
    suffix = PurePosixPath(path).suffix.lower()
    return f"{suffix} files" if suffix else "files without suffix"


def group_by_suffix(paths: Iterable[str]) -> LeftOut:
    """Files that are left out of a dataset, grouped by suffix."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        groups[kind_by_suffix(path)].append(path)
    return {kind: tuple(groups[kind]) for kind in sorted(groups)}


def describe_left_out(left_out: Mapping[str, Sequence[str]], most: int = 3) -> str:
    """Number and first names of left-out files, by kind.

    Example:
        >>> describe_left_out({".heic files": ("a/1.heic", "a/2.heic"), ".txt files": ("b/x.txt",)}, most=1)
        '2 .heic files (a/1.heic and 1 more), 1 .txt file (b/x.txt)'
    """
    texts = []
    for kind, paths in left_out.items():
        more = f" and {len(paths) - most} more" if len(paths) > most else ""
        what = re.sub(r"\b(file|folder|image)s\b", r"\1", kind, count=1) if len(paths) == 1 else kind
        texts.append(f"{len(paths)} {what} ({', '.join(paths[:most])}{more})")
    return ", ".join(texts)


def read_csv_rows(
    path: Path, dataset: str, columns: tuple[str, ...], *, numbers: tuple[str, ...] = (), delimiter: str = ","
) -> Iterator[dict[str, str]]:
    """The rows of a table with a header, by column.

    Raises DataError if the table cannot be read, a column is missing, a row ends early, or a value in a column of
    `numbers` is not a number.
    """
    rows = csv.DictReader(read_lines(path, dataset), delimiter=delimiter)
    where, again = f"{path} of dataset {dataset!r}", "Unpack the dataset's archive again."
    needed = (*columns, *numbers)
    if absent := [name for name in needed if name not in (rows.fieldnames or ())]:
        raise DataError(f"{where} has no column {absent[0]!r}; it has {', '.join(rows.fieldnames or ())}. {again}")
    for row in rows:
        if bad := [name for name in needed if row[name] is None or (name in numbers and not row[name].isdecimal())]:
            raise DataError(f"Line {rows.line_num} of {where} has {row[bad[0]]!r} as {bad[0]!r}. {again}")
        yield row


def read_lines(path: Path, dataset: str) -> list[str]:
    """The non-empty lines of a text file. Raises DataError if it cannot be read."""
    try:
        return [line for line in read_text(path, LARGEST_TABLE).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} of dataset {dataset!r} cannot be read ({error}). It is part of the published archive; unpack it "
            f"again."
        ) from error


def normalised_name(name: str) -> str:
    """A name in lower case without anything but letters and digits, so that `Oxford-Pets` equals `oxford_pets`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
