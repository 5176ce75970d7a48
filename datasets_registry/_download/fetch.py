"""Fetches a published dataset in CoOp's layout: downloads, verifies, unpacks to a staging folder, renames into place.

Unfinished files are below `<data root>/.etl-bench/fetch/NAME/`; a folder or file under its final name is complete. A
repeated call resumes an interrupted one.
"""

import errno
import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from datasets_registry._download.download import DownloadProgress, RetryPolicy, download_file
from datasets_registry._download.mirror import accept_images, check_counts, check_split, usable_mirror
from datasets_registry._download.sources import DatasetSource, SourceFile
from datasets_registry._download.unpack import unpack_archive
from datasets_registry._errors import DataError
from datasets_registry._readers.archives import is_archive
from datasets_registry._readers.class_folders import CLASSNAMES
from datasets_registry._types import DatasetInfo

STAGING = Path(".etl-bench") / "fetch"
SPACE_FACTOR = 2.2
"""Free space required before an archive is downloaded, as a multiple of its size: the archive and its contents."""


@dataclass(frozen=True)
class FetchOptions:
    """What to fetch and from where.

    Args:
        splits_only: skip archives of images.
        again: download and replace files that exist already.
        mirror: a server to try first, at `mirror/FILE-NAME`.
        unverified_mirrors: also use copies of the images that no checksum covers, if they have every image of the
            published split file.
    """

    splits_only: bool = False
    again: bool = False
    mirror: str | None = None
    unverified_mirrors: bool = False
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True)
class Fetched:
    """The outcome for one dataset; `by_hand` has instructions for files that the user must get.

    `unchecked` are the fetched files whose publisher states no checksum: their kind and counts alone were checked.
    """

    name: str
    fetched: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    by_hand: str | None = None
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True)
class FetchProgress:
    """Callbacks for a line of text, and for the progress of one file, given its name."""

    line: Callable[[str], None] = lambda _text: None
    progress: Callable[[str], DownloadProgress] = lambda _name: lambda _done, _total: None


def files_to_fetch(
    name: str, source: DatasetSource, data_root: Path, options: FetchOptions
) -> tuple[list[SourceFile], list[SourceFile]]:
    """The files of a dataset that must be fetched, and those that exist already."""
    todo: list[SourceFile] = []
    present: list[SourceFile] = []
    mirror = usable_mirror(source, unverified=options.unverified_mirrors)
    for file in (*source.files, *([mirror] if mirror else [])):
        if file.unpack is None:
            exists = (data_root / source.folder / str(file.to)).is_file()
        elif options.splits_only:
            continue
        else:
            exists = _is_unpacked(file, source, data_root)
        partly_moved = (data_root / STAGING / name / f"{file.name}.ready").is_dir()
        (present if exists and not partly_moved and not options.again else todo).append(file)
    return todo, present


def fetch_dataset(
    info: DatasetInfo,
    source: DatasetSource,
    data_root: Path,
    options: FetchOptions,
    report: FetchProgress | None = None,
) -> Fetched:
    """Fetch the missing files of a dataset. `data_root`, the folder that holds all datasets, is created if missing.

    A split file without a published checksum is checked against the dataset's expected counts.

    Raises DataError if a file cannot be downloaded, verified, unpacked or written, or if another process fetches the
    dataset.
    """
    report = report or FetchProgress()
    todo, present = files_to_fetch(info.name, source, data_root, options)
    staging = data_root / STAGING / info.name
    folder = data_root / source.folder
    if todo:
        try:
            staging.mkdir(parents=True, exist_ok=True)
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise DataError(f"{data_root} cannot be written ({error}). Give another --data-root.") from error
        try:
            with FileLock(staging / "lock", timeout=0):
                for file in todo:
                    if file == source.mirror:
                        _fetch_from_mirror(file, info, source, data_root, options, report)
                    else:
                        _fetch_file(file, info, folder, staging, options, report)
        except Timeout:
            raise DataError(
                f"Another process is fetching {info.name!r} into {staging}. Wait for it, then run this again."
            ) from None
        shutil.rmtree(staging, ignore_errors=True)
    unchecked = tuple(f.name for f in todo if f.checksum is None)
    by_hand = left_by_hand(source, data_root, options)
    return Fetched(info.name, tuple(f.name for f in todo), tuple(f.name for f in present), by_hand, unchecked)


def left_by_hand(source: DatasetSource, data_root: Path, options: FetchOptions) -> str | None:
    """Instructions for the files that the user must get; None if there are none, or if the images are on disk."""
    complete = options.splits_only or (_has_images(source, data_root) and not options.again)
    if source.by_hand is None or complete or usable_mirror(source, unverified=options.unverified_mirrors):
        return None
    instructions = source.by_hand.replace("{folder}", str(data_root / source.folder))
    if source.mirror is None:
        return instructions
    return (
        f"{instructions} Or repeat the command with --unverified-mirrors: then {source.mirror.name} is fetched from "
        f"{source.mirror.page()}, a copy that no checksum covers. It is accepted only if it has every image of the "
        "published split file."
    )


def _fetch_from_mirror(
    file: SourceFile,
    info: DatasetInfo,
    source: DatasetSource,
    data_root: Path,
    options: FetchOptions,
    report: FetchProgress,
) -> None:
    folder = data_root / source.folder
    check_split(info, source, folder)

    def accept(archive: Path, unpacked: Path) -> None:
        accept_images(archive, unpacked, file, info, source.images, folder / str(info.split_file))

    try:
        _fetch_file(file, info, folder, data_root / STAGING / info.name, options, report, accept)
    except DataError as error:
        by_hand = str(source.by_hand).replace("{folder}", str(folder))
        raise DataError(f"{error} The images can be put there by hand: {by_hand}") from error


def _fetch_file(
    file: SourceFile,
    info: DatasetInfo,
    folder: Path,
    staging: Path,
    options: FetchOptions,
    report: FetchProgress,
    accept: Callable[[Path, Path], None] = lambda _archive, _unpacked: None,
) -> None:
    """Download a file, verify and unpack it, and move the content to the dataset's folder.

    `accept`, given the archive and what it unpacked to, raises DataError if the content is not accepted.
    """
    target = staging / file.name
    ready = staging / f"{file.name}.ready"
    if not ready.is_dir():
        _check_disk_space(file, staging)
        first = [f"{options.mirror.rstrip('/')}/{file.name}"] if options.mirror is not None else []
        mirrors = first + file.addresses()
        progress = report.progress(file.name)
        download_file(file, target, mirrors=mirrors, progress=progress, retry_policy=options.retry_policy)
        _check_kind(file, info, target)
        if file.checksum is None:
            report.line(_unchecked(file, info, target))
        unfinished = staging / f"{file.name}.unpacking"
        shutil.rmtree(unfinished, ignore_errors=True)
        if file.unpack is None:
            unfinished.mkdir()
            target.replace(unfinished / str(file.to))
        else:
            report.line(f"{file.name}: unpacking")
            try:
                _unpack(file, target, file.unpack, unfinished)
            except DataError:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
            try:
                accept(target, unfinished)
            except DataError as error:
                shutil.rmtree(unfinished)
                target.unlink()
                raise DataError(f"{error}. Nothing of it is used.") from error
        unfinished.replace(ready)
    for entry in sorted(ready.iterdir()):
        _move_into_place(entry, folder / entry.name, staging)
    shutil.rmtree(ready)
    target.unlink(missing_ok=True)


def _unpack(file: SourceFile, archive: Path, wanted: Mapping[str, str], unfinished: Path) -> None:
    """Unpack an archive, and the archives in it."""
    unpack_archive(archive, wanted, unfinished)
    for name, wanted_inside in file.inner.items():
        inner = (unfinished / name).replace(unfinished.with_name(f"{unfinished.name}.{name}"))
        unpack_archive(inner, wanted_inside, unfinished)
        inner.unlink()


def _move_into_place(entry: Path, target: Path, staging: Path) -> None:
    """Rename `entry` to `target`; an existing folder is moved aside first and deleted afterwards."""
    aside = staging / f"{target.name}.replaced"
    try:
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(aside, ignore_errors=True)
            shutil.move(target, aside)
        _rename(entry, target)
        if aside.exists():
            shutil.rmtree(aside)
    except OSError as error:
        raise DataError(f"{target} cannot be written ({error}). Give a --data-root that is writable.") from error


def _rename(entry: Path, target: Path) -> None:
    try:
        entry.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # the dataset's folder is a link to another disk: copy to a temporary name there, then rename
        near = target.with_name(f".{target.name}.partial")
        shutil.rmtree(near, ignore_errors=True)
        if entry.is_dir():
            shutil.copytree(entry, near)
        else:
            shutil.copy2(entry, near)
        near.replace(target)


def _check_kind(file: SourceFile, info: DatasetInfo, path: Path) -> None:
    """Check that a file without a published checksum is of the expected kind."""
    if file.checksum is not None:
        return
    try:
        if file.unpack is not None:
            if not is_archive(path):
                raise DataError(f"{file.name} is not an archive")
        elif file.to == info.split_file:
            check_counts(file.name, path, info)
        elif file.to == CLASSNAMES:
            with path.open("rb") as content:
                if content.read(2) != b"n0":
                    raise DataError(f"{file.name} does not begin with a WordNet id")
    except DataError as error:
        path.unlink()
        raise DataError(
            f"What was downloaded as {file.name} is something else ({error}). Run the command again later, or open "
            f"{file.page()} in a browser and put the file at {path}."
        ) from error


def _unchecked(file: SourceFile, info: DatasetInfo, path: Path) -> str:
    """What is known of a file without a published checksum, for the user."""
    counted = file.to == info.split_file and info.expected
    kind = "only its kind was" if file.unpack is not None or file.to == CLASSNAMES else "nothing of it was"
    what_is_known = "only its numbers of images were" if counted else kind
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return f"{file.name}: its publisher states no checksum, so {what_is_known} checked; its content is sha256:{digest}"


def _check_disk_space(file: SourceFile, staging: Path) -> None:
    if file.size is None:
        return
    part = staging / f"{file.name}.part"
    downloaded = part.stat().st_size if part.is_file() else 0
    needed = file.size * (SPACE_FACTOR if file.unpack is not None else 1.0) - downloaded
    free = shutil.disk_usage(staging).free
    if free < needed:
        raise DataError(
            f"{file.name} and its contents need {needed / 1e9:.1f} GB, but {staging} has {free / 1e9:.1f} GB free. "
            f"Free some space, or give another --data-root."
        )


def _is_unpacked(file: SourceFile, source: DatasetSource, data_root: Path) -> bool:
    """Whether an archive was unpacked: its named folders, or else its named files, exist; or the images exist."""
    places = list((file.unpack or {}).values())
    folder = data_root / source.folder
    if file.inner or "" in places:
        return _has_images(source, data_root)
    if folders := [folder / name for name in places if name.endswith("/")]:
        return all(path.is_dir() and any(path.iterdir()) for path in folders)
    return all((folder / name).is_file() for name in places)


def _has_images(source: DatasetSource, data_root: Path) -> bool:
    folder = source.image_folder(data_root)
    # without an image folder, the images are in folders beside the split file
    return folder.is_dir() and any(source.images or path.is_dir() for path in folder.iterdir())
