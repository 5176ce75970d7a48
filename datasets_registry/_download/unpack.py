"""Archives into folders: only what was asked for, never outside the folder, and refused when damaged."""

from __future__ import annotations

import errno
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from datasets_registry._errors import DataError

Opener = Callable[[], IO[bytes]]


def unpack(
    archive: Path, wanted: Mapping[str, str], into: Path, *, progress: Callable[[int], None] = lambda _n: None
) -> None:
    """Write the wanted members of a zip or tar archive below `into`.

    Args:
        archive: a .zip or .tar, the latter compressed or not.
        wanted: which path of the archive goes where below `into`; one with a final slash is a folder with all in it.
        into: made if it is not there.
        progress: told how many members have been written.

    Raises:
        DataError: the archive is damaged or not one, a member would land outside or is a link, nothing wanted is in it,
            or the disk is full.
    """
    seen: set[str] = set()
    written = 0
    try:
        for name, is_link, opener in _members(archive):
            place = _destination(name, wanted, archive)
            if place is None:
                continue
            source, below = place
            if is_link:
                raise DataError(
                    f"{archive} holds the link {name!r} in place of a file. Get the archive from its own page."
                )
            seen.add(source)
            target = into / below
            target.parent.mkdir(parents=True, exist_ok=True)
            with opener() as content, target.open("wb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
            written += 1
            progress(written)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, NotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{archive} is damaged or no archive ({reason}). Remove it and fetch it again.") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DataError(
                f"The disk of {into} is full after {written} files of {archive.name}. "
                f"Make room and run the command again."
            ) from error
        raise DataError(f"{archive} cannot be unpacked into {into} ({error}).") from error
    absent = sorted(set(wanted) - seen)
    if absent:
        raise DataError(f"{archive} does not hold {', '.join(absent)}. It is not the archive that was expected.")


def _members(archive: Path) -> Iterator[tuple[str, bool, Opener]]:
    """Name, whether it is a link or device, and how to open it, for each member that is not a folder."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for item in packed.infolist():
                if not item.is_dir():
                    is_link = stat.S_ISLNK(item.external_attr >> 16)
                    yield item.filename, is_link, lambda item=item: packed.open(item)  # type: ignore[misc]
        return
    with tarfile.open(archive, mode="r:*") as tar:
        for member in tar:
            if not member.isdir():
                yield member.name, not member.isfile(), lambda member=member: _tar_content(tar, member)  # type: ignore[misc]


def _tar_content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    assert content is not None, "a regular file has content"
    return content


def _destination(name: str, wanted: Mapping[str, str], archive: Path) -> tuple[str, str] | None:
    """Which wanted path covers a member, and where it goes; None for one that nobody asked for."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise DataError(
            f"{archive} holds the member {name!r}, which would be written outside its folder. "
            f"Nothing of it is used; get the archive from its own page."
        )
    clean = str(path)
    for source, place in wanted.items():
        if source.endswith("/") and clean.startswith(source):
            return source, place + clean.removeprefix(source)
        if clean == source:
            return source, place
    return None
