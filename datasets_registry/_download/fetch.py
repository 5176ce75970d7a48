"""Fetching a published dataset into CoOp's layout: download, check, unpack beside the place, rename into it.

Everything that is not finished is below `<data root>/.etl-bench/fetch/NAME/`; a folder or file under its final name is
whole. Whenever this is interrupted, the same call goes on.
"""

from __future__ import annotations

import errno
import fcntl
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from datasets_registry._download.download import Progress, RetryPolicy, download
from datasets_registry._download.sources import DatasetSource, SourceFile
from datasets_registry._download.unpack import unpack
from datasets_registry._errors import DataError
from datasets_registry._readers.coop_split import read_coop_split
from datasets_registry._types import DatasetInfo

PLACE = Path(".etl-bench") / "fetch"
ROOM = 2.2
"""Free space asked for before an archive is fetched, as a multiple of its size: it and what comes out of it."""


@dataclass(frozen=True)
class FetchOptions:
    """How to fetch.

    Args:
        splits_only: no archives of images.
        again: fetch what is there already, and replace it.
        mirror: a server to ask first, at `mirror/FILE-NAME`.
        retry_policy: see `RetryPolicy`.
    """

    splits_only: bool = False
    again: bool = False
    mirror: str | None = None
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True)
class Fetched:
    """What was done for one dataset; `by_hand` says what is left to a person."""

    name: str
    fetched: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    by_hand: str | None = None


@dataclass(frozen=True)
class FetchProgress:
    """Where what is going on is told.

    Args:
        line: a line of text.
        progress: makes the progress display of one file.
    """

    line: Callable[[str], None] = lambda _text: None
    progress: Callable[[str], Progress] = lambda _name: lambda _done, _total: None


def files_to_fetch(
    name: str, source: DatasetSource, data_root: Path, options: FetchOptions
) -> tuple[list[SourceFile], list[SourceFile]]:
    """Which files of the dataset `name` are to be fetched, and which are left alone since they are there."""
    todo: list[SourceFile] = []
    kept: list[SourceFile] = []
    for file in source.files:
        if file.unpack is not None and options.splits_only:
            continue
        half_placed = (data_root / PLACE / name / f"{file.name}.ready").is_dir()
        there = _is_there(file, source, data_root) and not half_placed
        (kept if there and not options.again else todo).append(file)
    return todo, kept


def fetch_dataset(
    info: DatasetInfo,
    source: DatasetSource,
    data_root: Path,
    options: FetchOptions,
    report: FetchProgress | None = None,
) -> Fetched:
    """Fetch what is missing of a dataset.

    Args:
        info: the dataset; its expected counts check a split file that has no checksum.
        source: its files.
        data_root: the folder that holds all datasets; made if it is not there.
        options: what to leave out or do anew.
        report: where it is told what is going on.

    Raises:
        DataError: a file cannot be had, checked, unpacked or written; or another process fetches the same dataset.
    """
    report = report or FetchProgress()
    todo, kept = files_to_fetch(info.name, source, data_root, options)
    staging = data_root / PLACE / info.name
    if todo:
        try:
            staging.mkdir(parents=True, exist_ok=True)
            (data_root / source.folder).mkdir(exist_ok=True)
        except OSError as error:
            raise DataError(f"{data_root} cannot be written ({error}). Give another --data-root.") from error
        with _alone(staging, info.name):
            for file in todo:
                _fetch_file(file, info, source, data_root, staging, options, report)
        shutil.rmtree(staging, ignore_errors=True)
    by_hand = None
    if source.by_hand is not None and not options.splits_only and not _has_images(source, data_root):
        by_hand = source.by_hand.replace("{folder}", str(data_root / source.folder))
    return Fetched(info.name, tuple(f.name for f in todo), tuple(f.name for f in kept), by_hand)


def _fetch_file(
    file: SourceFile,
    info: DatasetInfo,
    source: DatasetSource,
    data_root: Path,
    staging: Path,
    options: FetchOptions,
    report: FetchProgress,
) -> None:
    target = staging / file.name
    folder = data_root / source.folder
    ready = staging / f"{file.name}.ready"
    if not ready.is_dir():
        _require_room(file, staging)
        mirrors = file.addresses()
        if options.mirror is not None:
            mirrors = [f"{options.mirror.rstrip('/')}/{file.name}", *mirrors]
        download(file, target, mirrors=mirrors, progress=report.progress(file.name), retry_policy=options.retry_policy)
        _check_kind(file, info, target)
        unfinished = staging / f"{file.name}.unpacking"
        shutil.rmtree(unfinished, ignore_errors=True)
        if file.unpack is None:
            unfinished.mkdir()
            target.replace(unfinished / str(file.to))
        else:
            report.line(f"{file.name}: unpacking")
            _unpack_all(file, target, unfinished)
        unfinished.replace(ready)
    for entry in sorted(ready.iterdir()):
        _put(entry, folder / entry.name, staging)
    shutil.rmtree(ready)
    target.unlink(missing_ok=True)


def _unpack_all(file: SourceFile, archive: Path, into: Path) -> None:
    assert file.unpack is not None
    unpack(archive, file.unpack, into)
    for name, wanted in file.inner.items():
        inner = into / name
        outer = inner.replace(into.with_name(f"{into.name}.{name}"))
        unpack(outer, wanted, into)
        outer.unlink()


def _put(entry: Path, target: Path, staging: Path) -> None:
    """Rename into place; what was there moves aside first and goes only afterwards."""
    try:
        if target.is_dir() and not target.is_symlink():
            aside = staging / f"{target.name}.replaced"
            shutil.rmtree(aside, ignore_errors=True)
            shutil.move(target, aside)
            _rename(entry, target)
            shutil.rmtree(aside)
        else:
            _rename(entry, target)
    except OSError as error:
        raise DataError(f"{target} cannot be written ({error}). Give a --data-root that can be written.") from error


def _rename(entry: Path, target: Path) -> None:
    try:
        entry.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # the dataset's folder is a link to another disk: copy under another name there, then rename
        near = target.with_name(f".{target.name}.partial")
        shutil.rmtree(near, ignore_errors=True)
        if entry.is_dir():
            shutil.copytree(entry, near)
        else:
            shutil.copy2(entry, near)
        near.replace(target)


def _check_kind(file: SourceFile, info: DatasetInfo, path: Path) -> None:
    """For a file without a published checksum: whether it is at least what it should be."""
    if file.checksum is not None:
        return
    try:
        if file.unpack is not None:
            if not (zipfile.is_zipfile(path) or tarfile.is_tarfile(path)):
                raise DataError(f"{file.name} is no archive")
        elif file.to == info.split_file:
            split = read_coop_split(path)
            counts = {"train": len(split.train), "val": len(split.val), "test": len(split.test)}
            if info.expected and counts != dict(info.expected):
                raise DataError(f"{file.name} lists {counts}, where the published one lists {dict(info.expected)}")
        elif not path.read_text(encoding="utf-8").startswith("n0"):
            raise DataError(f"{file.name} does not begin with a WordNet id")
    except (DataError, UnicodeDecodeError) as error:
        path.unlink()
        raise DataError(
            f"What came as {file.name} is something else ({error}). Run the command again later, or open {file.page()} "
            f"in a browser and put the file at {path}."
        ) from error


def _require_room(file: SourceFile, staging: Path) -> None:
    if file.size is None:
        return
    part = staging / f"{file.name}.part"
    there = part.stat().st_size if part.is_file() else 0
    needed = file.size * (ROOM if file.unpack is not None else 1.0) - there
    free = shutil.disk_usage(staging).free
    if free < needed:
        raise DataError(
            f"{file.name} needs {needed / 1e9:.1f} GB with what comes out of it, but {staging} has "
            f"{free / 1e9:.1f} GB free. Make room, or give another --data-root."
        )


def _is_there(file: SourceFile, source: DatasetSource, data_root: Path) -> bool:
    if file.unpack is None:
        return (data_root / source.folder / str(file.to)).is_file()
    return _has_images(source, data_root)


def _has_images(source: DatasetSource, data_root: Path) -> bool:
    folder = source.image_folder(data_root)
    if not source.images:  # the images are beside the split file, in folders of their own
        return folder.is_dir() and any(path.is_dir() for path in folder.iterdir())
    return folder.is_dir() and any(folder.iterdir())


@contextmanager
def _alone(staging: Path, name: str) -> Iterator[None]:
    with (staging / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(
                f"Another process is fetching {name!r} into {staging}. Wait for it, then run this again."
            ) from None
        yield
