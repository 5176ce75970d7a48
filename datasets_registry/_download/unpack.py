"""Unpack selected members of an archive; nothing is written outside the target folder."""

import errno
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, cast

from datasets_registry._errors import DataError
from datasets_registry._limits import MOST_MEMBERS, UNPACKED_MORE, UNPACKED_RATIO
from datasets_registry._readers.archives import open_tar, open_zip
from datasets_registry._readers.foreign_files import size_text

Opener = Callable[[], IO[bytes] | None]
_CHUNK = 1 << 20
_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, NotImplementedError
)  # fmt: skip


def unpack_archive(archive: Path, wanted: Mapping[str, str], into: Path) -> None:
    """Write the wanted members of a zip archive, or of a tar archive with or without compression, below `into`.

    A file that is only gzip-compressed is an archive with one member, named like the file without `.gz`. `wanted` maps
    paths in the archive to paths below `into`; a final slash means a folder with everything in it, and an empty path
    the whole archive. An archive may
    unpack to at most `UNPACKED_RATIO` times its size and `UNPACKED_MORE` bytes, and have `MOST_MEMBERS` files.

    Raises DataError if the archive is damaged, too large or of another kind, a member leads outside `into` or is a
    link, no wanted member exists, or the disk is full.
    """
    unpacked: set[str] = set()
    written = 0
    try:
        remaining = most = UNPACKED_RATIO * archive.stat().st_size + UNPACKED_MORE
        for name, is_link, opener in _members(archive, into, most):
            if (place := _destination(name, wanted, archive)) is None:
                continue
            if is_link or (content := opener()) is None:
                raise DataError(
                    f"{archive} contains the link {name!r} instead of a file. Get the archive from its page."
                )
            source, below = place
            unpacked.add(source)
            target = into / below
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as out:
                while chunk := content.read(_CHUNK):
                    if (remaining := remaining - len(chunk)) < 0:
                        raise _too_large(archive, most)
                    out.write(chunk)
            written += 1
    except _DAMAGED as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{archive} is damaged or not an archive ({reason}). Remove it and fetch it again.") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DataError(
                f"The disk of {into} is full after {written} files of {archive.name}. "
                f"Free some space and run the command again."
            ) from error
        raise DataError(f"{archive} cannot be unpacked into {into} ({error}).") from error
    if absent := sorted(set(wanted) - unpacked):
        raise DataError(f"{archive} does not contain {', '.join(absent)}. It is not the archive that was expected.")


def _too_large(archive: Path, most: int) -> DataError:
    return DataError(
        f"{archive} unpacks to more than {size_text(most)}, far more than its own size. It is not the archive that was "
        "expected; get it from its page."
    )


def _members(archive: Path, into: Path, most: int) -> Iterator[tuple[str, bool, Opener]]:
    """Name, whether it is a link or a device, and how to open it, for each member that is not a folder.

    Raises DataError where `most` bytes of a tar archive would be exceeded, wanted or not.
    """
    if zipfile.is_zipfile(archive):
        with open_zip(archive) as packed:
            for item in packed.infolist():
                if not item.is_dir():
                    is_link = stat.S_ISLNK(item.external_attr >> 16)
                    yield item.filename, is_link, lambda item=item: packed.open(item)  # type: ignore[misc]
        return
    if archive.suffix == ".gz" and not archive.name.endswith(".tar.gz"):
        with gzip.open(archive) as content:
            yield archive.stem, False, lambda: cast(IO[bytes], content)
        return
    with open_tar(archive, "r:*") as tar:
        for n, member in enumerate(tar, start=1):
            if n > MOST_MEMBERS or member.offset_data > most or member.size > most:
                raise _too_large(archive, most)
            if not member.isdir():
                yield member.name, not member.isfile(), lambda member=member: _open_member(tar, member, into)  # type: ignore[misc]


def _open_member(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> IO[bytes] | None:
    # the filter exists since Python 3.11.4; names and links were checked before
    filtered = tarfile.data_filter(member, str(into)) if hasattr(tarfile, "data_filter") else member
    return tar.extractfile(filtered)


def _destination(name: str, wanted: Mapping[str, str], archive: Path) -> tuple[str, str] | None:
    """The wanted path that covers a member, and where the member goes; None for an unwanted one."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise DataError(
            f"{archive} contains the member {name!r}, which would be written outside its folder. "
            f"Nothing of it is used; get the archive from its own page."
        )
    clean = str(path)
    for source, place in wanted.items():
        if (not source or source.endswith("/")) and clean.startswith(source):
            return source, place + clean.removeprefix(source)
        if clean == source:
            return source, place
    return None
