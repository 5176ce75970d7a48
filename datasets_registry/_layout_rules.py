"""Broken layouts of the published datasets: how each is recognised, and the command that makes it CoOp's layout.

Rules look at names and folders, never at pixels, and need no network. docs/datasets.md has the table of their codes.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from datasets_registry._coop_split import read_coop_split
from datasets_registry._errors import DataError
from datasets_registry._files import ImageFiles
from datasets_registry._findings import Finding, Level, quoted, some
from datasets_registry._layouts import IMAGE_SUFFIXES
from datasets_registry._sources import Source
from datasets_registry._types import DatasetInfo

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".rar", ".7z")
DEPTH = 4
TRIED = 20
"""How deep folders are looked for below a dataset's, and how many of its images are tried in each."""
PARTITIONS = ("train", "val", "valid", "validation", "test")


@dataclass(frozen=True)
class Patient:
    """One dataset on this machine, as far as can be told without reading an image."""

    info: DatasetInfo
    source: Source
    data_root: Path

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def top(self) -> Path:
        """The dataset's folder in CoOp's layout."""
        return self.data_root / self.source.folder

    @property
    def images(self) -> Path:
        """Where the images belong."""
        return self.source.image_folder(self.data_root)

    @cached_property
    def split_file(self) -> Path | None:
        """The split file, at either place where the reader looks, or None."""
        if self.info.split_file is None:
            return None
        places = [self.top / self.info.split_file, self.data_root / self.info.split_file]
        return next((place for place in places if place.is_file()), None)

    @cached_property
    def keys(self) -> list[str]:
        """Images that the split file lists; none without a readable one."""
        if self.split_file is None:
            return []
        try:
            split = read_coop_split(self.split_file)
        except DataError:
            return []
        return [sample.key for part in (split.train, split.val, split.test) for sample in part]

    @cached_property
    def missing(self) -> list[str]:
        """Those of them that are not where they belong."""
        return ImageFiles(self.images).missing(self.keys) if self.images.is_dir() else self.keys

    @cached_property
    def tried(self) -> list[str]:
        """A spread of the missing ones."""
        step = max(1, len(self.missing) // TRIED)
        return self.missing[::step][:TRIED]

    @cached_property
    def folders(self) -> list[Path]:
        """Folders below the dataset's, shallow ones first."""
        return list(_folders_below(self.top, DEPTH))

    def fetch(self, *options: str) -> str:
        """The command that fetches it."""
        return quoted("etl-bench", "datasets", "fetch", self.name, *options, "--data-root", self.data_root)

    def archives(self, *places: Path) -> list[Path]:
        """Archives that lie in those folders."""
        found = [path for place in places if place.is_dir() for path in sorted(place.iterdir())]
        return [path for path in found if path.name.lower().endswith(ARCHIVE_SUFFIXES) and path.is_file()]


Rule = Callable[[Patient], Iterator[Finding]]


def examine(patient: Patient) -> list[Finding]:
    """What the rules find; without the dataset's folder, only what is to be said about that."""
    if not patient.top.is_dir():
        return list(_no_folder(patient))
    found: list[Finding] = []
    for rule in RULES:
        found += rule(patient)
    return found


def _no_folder(patient: Patient) -> Iterator[Finding]:
    """The folder has another name, is not unpacked, or is the data root itself."""
    root, folder = patient.data_root, patient.source.folder
    if not root.is_dir():
        yield Finding("no-data-root", f"{root} is no folder.", "give the folder that holds the datasets: --data-root")
        return
    named = {_plain(folder), _plain(patient.name), _plain(patient.info.title)}
    holds = [name for name in (patient.info.split_file, patient.source.images) if name]
    if any((root / name).exists() for name in holds) and _plain(root.name) in named:
        yield Finding(
            "root-is-dataset",
            f"{root} is the dataset itself, not the folder around it.",
            quoted("etl-bench", "datasets", "check", patient.name, "--data-root", root.absolute().parent),
        )
        return
    alike = [path for path in _folders_below(root, 1) if _plain(path.name) in named]
    if alike:
        yield Finding(
            "renamed-folder",
            f"The folder is called {alike[0].name}; it should be {folder}.",
            quoted("mv", alike[0], root / folder),
            layout=True,
        )
        return
    known = {file.name.lower() for file in patient.source.archives}
    packed = [path for path in patient.archives(root) if path.name.lower() in known]
    if packed:
        yield _not_unpacked(patient, packed)
        return
    yield Finding("no-folder", f"There is no folder {root / folder}.", patient.fetch())


def _split_file(patient: Patient) -> Iterator[Finding]:
    """The split file is missing, elsewhere, malformed, or not the published one."""
    name = patient.info.split_file
    if name is None:
        return
    fetch = patient.fetch("--splits-only")
    if patient.split_file is None:
        stem = Path(name).stem.lower()
        elsewhere = [
            path
            for folder in (patient.top, patient.data_root, *patient.folders)
            for path in sorted(folder.glob("*.json"))
            if path.stem.lower().startswith(stem)
        ]
        if elsewhere:
            move = quoted("mv", elsewhere[0], patient.top / name)
            yield Finding("split-misplaced", f"The split file is at {elsewhere[0]}.", move)
            return
        yield Finding(
            "no-split-file",
            f"There is no {name}, which says what is train, val and test; CoOp would make one up that fits nobody "
            f"else's numbers.",
            fetch,
        )
        return
    try:
        split = read_coop_split(patient.split_file)
    except DataError as error:
        yield Finding("split-malformed", str(error), fetch)
        return
    published = next((file.checksum for file in patient.source.files if file.to == name), None)
    digest = f"sha256:{hashlib.sha256(patient.split_file.read_bytes()).hexdigest()}"
    counts = {"train": len(split.train), "val": len(split.val), "test": len(split.test)}
    expected = dict(patient.info.expected)
    if counts != expected:
        yield Finding(
            "subset",
            f"The split file lists {sum(counts.values())} images of the {sum(expected.values())} of the full dataset, "
            f"so its numbers do not compare with published ones.",
            f"for the full dataset: {patient.fetch()}",
            Level.NOTE,
        )
    elif published is not None and digest != published:
        yield Finding(
            "split-not-published",
            f"{patient.split_file} has the right counts, but is not CoOp's file ({digest[:19]}... in place of "
            f"{published[:19]}...); CoOp makes such a file up when the real one is missing.",
            f"{quoted('mv', patient.split_file, f'{patient.split_file}.own')} && {fetch}",
        )


def _images(patient: Patient) -> Iterator[Finding]:
    """Images are not where the split file says: the first explanation that fits is given."""
    if patient.info.split_file is None or (patient.keys and not patient.missing):
        return
    if not patient.keys:
        yield from _image_folder_by_name(patient)
        return
    for rule in (_another_dataset, _kaggle_cars, _partitioned, _elsewhere, _other_case, _still_packed):
        found = list(rule(patient))
        if found:
            yield from found
            return
    total = len(patient.keys)
    text = f"{len(patient.missing)} of the {total} images that the split file lists are not below {patient.images}"
    there = _image_count(patient.images, enough=50)
    if len(patient.missing) > total / 2 and there:
        yield Finding(
            "wrong-images",
            f"{text}, though other images are: the split file does not fit these images.",
            f"{quoted('mv', patient.images, f'{patient.images}.other')} && {patient.fetch()}",
        )
        return
    yield Finding("images-missing", f"{text}, for example {some(patient.missing)}.", patient.fetch())


def _image_folder_by_name(patient: Patient) -> Iterator[Finding]:
    """Without a split file only the folder's name can be looked for."""
    if patient.images.is_dir():
        return
    wanted = Path(patient.source.images).name.lower()
    alike = [folder for folder in patient.folders if folder.name.lower() == wanted]
    if alike:
        yield _moved(patient, alike[0])
    else:
        yield from list(_still_packed(patient)) or [
            Finding("no-images", f"There is no folder {patient.images}.", patient.fetch())
        ]


def _another_dataset(patient: Patient) -> Iterator[Finding]:
    """Stanford Dogs in place of Oxford Pets: folders such as n02085620-Chihuahua."""
    if patient.name != "oxford_pets":
        return
    dogs = [folder for folder in patient.folders if re.fullmatch(r"n\d{8}-.+", folder.name)]
    if dogs:
        yield Finding(
            "stanford-dogs",
            f"{dogs[0].parent} holds Stanford Dogs ({dogs[0].name}, ...), which is another dataset than Oxford Pets.",
            f"{quoted('mv', dogs[0].parent, patient.data_root / 'stanford_dogs')} && {patient.fetch()}",
        )


def _kaggle_cars(patient: Patient) -> Iterator[Finding]:
    """Kaggle's copies of the Cars: nested once more, in one folder a class, or all in one folder under new numbers."""
    if patient.name != "stanford_cars":
        return
    commands: list[str] = []
    where: Path | None = None
    for part in ("train", "test"):
        target = patient.top / f"cars_{part}"
        inner = [
            folder
            for folder in patient.folders
            if folder.name in {f"cars_{part}", part} and folder != target and _image_count(folder, enough=1)
        ]
        if inner:
            deepest = max(inner, key=lambda folder: len(folder.parts))
            where = where or deepest
            commands += [
                quoted("mkdir", "-p", target),
                quoted("find", deepest, "-name", "*.jpg", "-exec", "mv", "{}", f"{target}/", ";"),
            ]
    if where is not None:
        yield Finding(
            "kaggle-cars",
            f"The cars lie as in a Kaggle copy ({where}); CoOp's split file names cars_train/00001.jpg.",
            " && ".join(commands),
            layout=True,
        )
        return
    renamed = [folder for folder in (patient.top, *patient.folders) if (folder / "000001.jpg").is_file()]
    if renamed:
        yield Finding(
            "kaggle-cars-renumbered",
            f"{renamed[0]} holds all cars under six-digit numbers, which the split file does not know; they cannot be "
            f"told apart by name.",
            f"get a copy with cars_train/ and cars_test/: {patient.fetch()}",
        )


def _partitioned(patient: Patient) -> Iterator[Finding]:
    """The images were sorted into train and test folders, as of SUN397's official partition."""
    for base in (patient.images, patient.top, *patient.folders):
        parts = [base / part for part in PARTITIONS if (base / part).is_dir()]
        if len(parts) < 2 or any(key.startswith(PARTITIONS) for key in patient.tried):
            continue
        found = sum(any((part / key).is_file() for part in parts) for key in patient.tried)
        by_class = [path for part in parts for path in _folders_below(part, 1)]
        if found or by_class:
            merge = quoted("cp", "-R", *(f"{part}/." for part in parts), f"{patient.images}/")
            flat = "" if found else " Class folders there may lack the parts of their path, such as a/ in a/abbey."
            yield Finding(
                "partitioned",
                f"{base} is sorted into {' and '.join(part.name for part in parts)}, which the split file does not "
                f"know: it lists {patient.tried[0]}.{flat}",
                f"{quoted('mkdir', '-p', patient.images)} && {merge}",
                layout=True,
            )
            return


def _elsewhere(patient: Patient) -> Iterator[Finding]:
    """All images are there, but below another folder: nested once more, unpacked one level off, or renamed."""
    beside = [folder for folder in _folders_below(patient.data_root, 2) if folder != patient.top]
    for folder in (patient.top, *patient.folders, patient.data_root, *beside):
        if folder != patient.images and all((folder / key).is_file() for key in patient.tried):
            yield _moved(patient, folder)
            return


def _moved(patient: Patient, folder: Path) -> Finding:
    images = patient.images
    if images.exists() or folder == patient.top:
        tops = sorted({PurePosixPath(key).parts[0] for key in patient.keys})
        if folder == patient.top and len(tops) <= 200:
            command = (
                f"{quoted('mkdir', '-p', images)} && {quoted('mv', *(folder / top for top in tops), f'{images}/')}"
            )
        else:
            move = quoted("find", folder, "-mindepth", "1", "-maxdepth", "1", "-exec", "mv", "{}", f"{images}/", ";")
            command = f"{quoted('mkdir', '-p', images)} && {move}"
    else:
        parent = "" if images.parent.is_dir() else f"{quoted('mkdir', '-p', images.parent)} && "
        command = f"{parent}{quoted('mv', folder, images)}"
    nested = folder.is_relative_to(images) or folder.name == images.name
    return Finding(
        "nested" if nested else "misplaced-images",
        f"The images are below {folder}; they belong below {images}.",
        command,
        layout=True,
    )


def _other_case(patient: Patient) -> Iterator[Finding]:
    """Folders whose names differ in capitals only, as after a copy by way of another system."""
    for key in patient.tried:
        folder = patient.data_root
        parts = [*patient.images.relative_to(patient.data_root).parts, *PurePosixPath(key).parts]
        for part in parts[:-1]:
            if (folder / part).is_dir():
                folder = folder / part
                continue
            alike = [entry for entry in _folders_below(folder, 1) if entry.name.lower() == part.lower()]
            if not alike:
                break
            n = sum(1 for other in patient.missing if part in PurePosixPath(other).parts) or len(patient.missing)
            yield Finding(
                "case-renamed",
                f"{alike[0]} differs in capitals from the {part} of the split file; {n} images are missed for it. "
                f"Other folders may be affected as well; check again after the first.",
                quoted("mv", alike[0], folder / part),
            )
            return


def _still_packed(patient: Patient) -> Iterator[Finding]:
    """Archives are there and nothing has come out of them."""
    packed = patient.archives(patient.top, patient.data_root)
    known = {file.name.lower() for file in patient.source.archives}
    packed = [path for path in packed if path.parent == patient.top or path.name.lower() in known]
    if packed:
        yield _not_unpacked(patient, packed)


def _not_unpacked(patient: Patient, packed: Sequence[Path]) -> Finding:
    archive = packed[0]
    lower = archive.name.lower()
    if lower.endswith(".zip"):
        command = quoted("unzip", "-q", archive, "-d", patient.top)
    elif ".tar" in lower or lower.endswith(".tgz"):
        command = f"{quoted('mkdir', '-p', patient.top)} && {quoted('tar', '-xf', archive, '-C', patient.top)}"
    else:
        command = f"unpack it into {patient.top} with a program for {archive.suffix} files"
    return Finding("not-unpacked", f"{some([str(path) for path in packed])} is not unpacked.", command)


def _flower_names(patient: Patient) -> Iterator[Finding]:
    """Flowers without cat_to_name.json, which CoOp's own code needs."""
    if patient.name == "oxford_flowers" and not (patient.top / "cat_to_name.json").is_file():
        yield Finding(
            "no-cat-to-name",
            f"There is no {patient.top / 'cat_to_name.json'}; the names are known here, but CoOp's own code needs it.",
            patient.fetch("--splits-only"),
            Level.NOTE,
        )


def _imagenet(patient: Patient) -> Iterator[Finding]:
    """ImageNet: archives of classes inside the archive, val as one flat folder, no classnames.txt."""
    if not patient.name.startswith("imagenet"):
        return
    if not any(
        (place / "classnames.txt").is_file()
        for place in (patient.top, patient.data_root / "imagenet", patient.data_root)
    ):
        yield Finding("no-classnames", f"There is no {patient.top / 'classnames.txt'}.", patient.fetch("--splits-only"))
    if patient.name != "imagenet":
        if not patient.images.is_dir():
            wnids = [f for f in (patient.top, *patient.folders) if _holds_class_folders(f)]
            yield from (
                [_moved_whole(patient, wnids[0])]
                if wnids
                else list(_still_packed(patient))
                or [Finding("no-images", f"There is no folder {patient.images}.", patient.fetch())]
            )
        return
    for base in (patient.images, patient.top):
        train, val = base / "train", base / "val"
        if train.is_dir() and patient.archives(train):
            loop = 'for f in n*.tar; do mkdir -p "${f%.tar}" && tar -xf "$f" -C "${f%.tar}"; done'
            command = f"cd {quoted(train)} && {loop}"
            yield Finding("class-archives", f"{train} holds one archive a class, not one folder a class.", command)
        if val.is_dir() and not any(_folders_below(val, 1)) and _image_count(val, enough=1):
            yield Finding(
                "val-not-sorted",
                f"{val} holds all images in one folder; they must be in one folder a class, as in train.",
                f"cd {quoted(val)} && bash valprep.sh  # from "
                "https://raw.githubusercontent.com/soumith/imagenetloader.torch/master/valprep.sh",
            )


def _holds_class_folders(folder: Path) -> bool:
    return any(re.fullmatch(r"n\d{8}|\d{1,3}", entry.name) for entry in _folders_below(folder, 1))


def _moved_whole(patient: Patient, folder: Path) -> Finding:
    images = patient.images
    text = f"The images are below {folder}; they belong below {images}."
    if folder != patient.top:
        return Finding("misplaced-images", text, quoted("mv", folder, images), layout=True)
    move = quoted(
        "find", folder, "-mindepth", "1", "-maxdepth", "1", "-name", "[n0-9]*", "-exec", "mv", "{}", f"{images}/", ";"
    )
    return Finding("misplaced-images", text, f"{quoted('mkdir', images)} && {move}", layout=True)


def _tree(patient: Patient) -> Iterator[Finding]:
    """Names that are not UTF-8, links that go in circles or nowhere, folders that cannot be read."""
    yield from broken_entries(patient.top)


def broken_entries(top: Path) -> Iterator[Finding]:
    """What cannot be walked below a folder, whatever dataset it is."""
    denied: list[str] = []
    for folder, folders, files in os.walk(top, onerror=lambda error: denied.append(str(error.filename))):
        for name in (*folders, *files):
            if any("\udc80" <= letter <= "\udcff" for letter in name):
                raw = os.fsencode(Path(folder) / name)
                yield Finding(
                    "name-not-utf8",
                    f"The name {raw!r} is not UTF-8.",
                    quoted("convmv", "-f", "latin1", "-t", "utf8", "-r", "--notest", top),
                )
                return
        yield from _bad_links(Path(folder), [*folders, *files])
    if denied:
        yield Finding("cannot-be-read", f"{some(denied)} cannot be read.", quoted("chmod", "-R", "u+rX", top))


def _bad_links(folder: Path, names: Sequence[str]) -> Iterator[Finding]:
    with os.scandir(folder) as entries:  # tells a link without asking for each of a million files
        links = [Path(entry.path) for entry in entries if entry.is_symlink() and entry.name in names]
    for link in links:
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: how Python before 3.13 speaks of a circle
            yield Finding("broken-link", f"{link} is a link that leads nowhere or to itself.", quoted("rm", link))
            continue
        if link.parent.resolve().is_relative_to(target):
            yield Finding("link-loop", f"{link} is a link to a folder that holds it.", quoted("rm", link))


RULES: tuple[Rule, ...] = (_split_file, _images, _flower_names, _imagenet, _tree)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _folders_below(top: Path, depth: int) -> Iterator[Path]:
    """Folders to a depth, shallow ones first; links are not followed and what cannot be read is passed over."""
    level = [top]
    for _ in range(depth):
        below: list[Path] = []
        for folder in level:
            try:
                with os.scandir(folder) as entries:
                    below += [folder / e.name for e in entries if e.is_dir(follow_symlinks=False)]
            except OSError:
                continue
        below.sort()
        yield from below
        level = below[:2000]


def _image_count(folder: Path, *, enough: int) -> int:
    """How many images lie below a folder, counting no further than `enough`."""
    n = 0
    for _, _, names in os.walk(folder):
        n += sum(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in names)
        if n >= enough:
            break
    return n
