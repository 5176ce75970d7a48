"""Zip and tar archives from others: their numbers of files, headers and sizes are checked before they are read."""

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from datasets_registry._limits import LARGEST_RATIO, LONGEST_MEMBER_HEADER, MOST_MEMBERS, SMALL_MEMBER
from datasets_registry._readers.foreign_files import regular_file, size_text

_ENTRY = b"PK\x01\x02"
"""The first bytes of a file's entry in the list at the end of a zip archive."""
_LONGEST_ENTRY = 46 + 200
"""Mean size of an entry, in bytes: its 46 bytes of facts, and a name."""


class TooLargeError(zipfile.BadZipFile, tarfile.ReadError):
    """An archive or one of its files that is larger than what is read."""


class _Listed(io.BufferedReader):
    """A zip archive whose list of files has a limit while `most_members` is not None."""

    most_members: int | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        """Bytes of the archive; raises TooLargeError for a list of more files, before an object of each is made."""
        most = self.most_members
        if most is not None and size is not None and size > most * _LONGEST_ENTRY:
            raise TooLargeError(f"its list of files has {size_text(size)}")
        content = super().read(size)
        if most is not None and (n := content.count(_ENTRY)) > most:
            raise TooLargeError(f"it has {n} files, and at most {most} are read")
        return content


@contextmanager
def open_zip(path: Path, most_members: int = MOST_MEMBERS) -> Iterator[zipfile.ZipFile]:
    """A zip archive of at most that many files; raises OSError, or BadZipFile for another file."""
    with _Listed(io.FileIO(regular_file(path), "rb")) as opened:
        opened.most_members = most_members
        with zipfile.ZipFile(opened) as archive:
            opened.most_members = None
            yield archive


def read_zip_member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """One file of an archive that `open_zip` opened.

    Raises TooLargeError before it is unpacked, or what unpacking a damaged file raises.

    A file above 1 MiB may have at most 200 times its packed size.
    """
    info = archive.getinfo(name)
    packed = min(info.compress_size, Path(str(archive.filename)).stat().st_size)
    if info.file_size > most:
        raise TooLargeError(f"it has {size_text(info.file_size)} unpacked, more than the {size_text(most)} allowed")
    if info.file_size > max(SMALL_MEMBER, LARGEST_RATIO * packed):
        raise TooLargeError(
            f"it has {size_text(info.file_size)} unpacked and {size_text(packed)} packed; at most {LARGEST_RATIO} "
            "times as much is unpacked"
        )
    with archive.open(name) as file:
        return file.read(info.file_size + 1)


class _Member(tarfile.TarInfo):
    """A member whose long name and extended attributes, which tarfile reads at once, have a limit."""

    def _proc_member(self, tar: tarfile.TarFile) -> Self:
        if not self.isreg() and self.type not in _WITHOUT_CONTENT and self.size > LONGEST_MEMBER_HEADER:
            raise TooLargeError(f"a header in it has {size_text(self.size)}")
        return super()._proc_member(tar)  # type: ignore[misc, no-any-return]

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        """The next member; raises ReadError for a damaged header, where tarfile would end the list of files."""
        try:
            return super().fromtarfile(tar)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from None


_WITHOUT_CONTENT = (tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE)


def open_tar(path: Path, mode: str) -> tarfile.TarFile:
    """A tar archive, opened like `tarfile.open`, whose headers have a limit; raises OSError or TarError."""
    return tarfile.open(regular_file(path), mode, tarinfo=_Member)  # type: ignore[call-overload, no-any-return]


def is_archive(path: Path) -> bool:
    """Whether a file is a zip archive, or a tar archive with or without compression."""
    try:
        if zipfile.is_zipfile(path):
            with open_zip(path):
                return True
        with open_tar(path, "r:*"):
            return True
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError):
        return False
