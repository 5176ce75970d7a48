"""Images that lie in a folder: reading, decoding, and a digest of their content."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath

from PIL import Image

from datasets_registry._errors import DataError
from datasets_registry._readers.decode import check_content, decode_image


class ImageFiles:
    """An `Images` source whose keys are paths below one folder, with forward slashes.

    Args:
        root: folder the keys are relative to.
        found: where a key's file lies below `root`, for keys that are not themselves the path. A foreign layout of the
            same images thus keeps the keys, and with them draws and fingerprints.
    """

    def __init__(self, root: Path, found: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._found = found or {}

    def path(self, key: str) -> Path:
        """The file behind a key."""
        return self.root / self._found.get(key, key)

    def load(self, key: str) -> Image.Image:
        """The image as RGB, as PIL decodes it (EXIF rotation is not applied; CoOp does not either).

        Raises DataError, naming the file and what to do, where it is missing, empty, a Git LFS pointer or no image.
        """
        path = self.path(key)
        return decode_image(_read(path), path)

    def digest(self, key: str) -> str:
        """Hex SHA-256 of the file's bytes; remembered for as long as size and time of change stay the same."""
        path = self.path(key)
        try:
            stat = path.stat()
        except OSError:
            raise _missing(path) from None
        return _digest(path, stat.st_size, stat.st_mtime_ns)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those keys that have no file. Lists each folder once instead of asking for every file."""
        by_folder: defaultdict[str, list[str]] = defaultdict(list)
        for key in keys:
            by_folder[str(PurePosixPath(self._found.get(key, key)).parent)].append(key)
        absent: list[str] = []
        for folder, members in by_folder.items():
            path = self.root / folder
            present = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
            absent += [key for key in members if self.path(key).name not in present]
        return absent


@lru_cache(maxsize=1 << 18)
def _digest(path: Path, _size: int, _mtime_ns: int) -> str:
    """Shared by all sources of this process: many runs read the same dataset."""
    return hashlib.sha256(_read(path)).hexdigest()


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(path) from None
    except OSError as error:
        raise DataError(f"Image {path} cannot be read ({error}). Check its permissions and the disk.") from error
    check_content(content, path)
    return content


def _missing(path: Path) -> DataError:
    return DataError(
        f"Image {path} does not exist. Check that the dataset's archive was unpacked completely "
        f"and that the split file belongs to these images."
    )
