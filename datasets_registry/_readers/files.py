"""Sources of images: files in a folder, and encoded images that a function reads."""

import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath

from PIL import Image

from datasets_registry._errors import DataError
from datasets_registry._readers.decode import check_content, content_digest, decode_image, is_scaled
from datasets_registry._types import Images

_JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})


class ImageFiles:
    """An `Images` source whose keys are paths below one folder, with forward slashes.

    Args:
        found: paths below `root` for keys that are not themselves the path. This keeps keys, draws and fingerprints
            equal for the same images in another layout.
    """

    def __init__(self, root: Path, found: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._found = found or {}

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.root / self._found.get(key, key)

    def load(self, key: str) -> Image.Image:
        """The image as RGB. Raises DataError, see `decode_image`, also for a missing or unreadable file."""
        path = self.path(key)
        return decode_image(_read(path), path)

    def digest(self, key: str) -> str:
        """See `content_digest`; cached until the file's size or modification time changes."""
        path = self.path(key)
        return _digest(path, *_state(path))

    def is_scaled(self, key: str) -> bool:
        """See `decode_image`; cached like the digest. A file with a JPEG suffix counts as 8 bits and is not opened."""
        path = self.path(key)
        return path.suffix.lower() not in _JPEG_SUFFIXES and _is_scaled(path, *_state(path))

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The keys without a file. Lists each folder once, which is faster than a check per file."""
        by_folder: defaultdict[str, list[str]] = defaultdict(list)
        for key in keys:
            by_folder[str(PurePosixPath(self._found.get(key, key)).parent)].append(key)
        absent: list[str] = []
        for folder, members in by_folder.items():
            path = self.root / folder
            present = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
            absent += [key for key in members if self.path(key).name not in present]
        return absent


class EncodedImages:
    """An `Images` source that gets the encoded bytes of a key from a function; messages name `root`."""

    def __init__(self, root: Path, read: Callable[[str], bytes]) -> None:
        self.root = root
        self._read = read
        self._digests: dict[str, tuple[str, bool]] = {}

    def load(self, key: str) -> Image.Image:
        """The image as RGB. Raises DataError, see `decode_image`."""
        return decode_image(self._read(key), f"{self.root}/{key}")

    def digest(self, key: str) -> str:
        """See `content_digest`."""
        return self._facts(key)[0]

    def is_scaled(self, key: str) -> bool:
        """See `decode_image`."""
        return self._facts(key)[1]

    def _facts(self, key: str) -> tuple[str, bool]:
        if key not in self._digests:
            content = self._read(key)
            check_content(content, f"{self.root}/{key}")
            self._digests[key] = content_digest(content), is_scaled(io.BytesIO(content))
        return self._digests[key]


def scaled_keys(images: Images, keys: Iterable[str]) -> set[str]:
    """The keys of images whose values are scaled to 8 bits; none for a source that does not read encoded images."""
    if not isinstance(images, ImageFiles | EncodedImages):
        return set()
    return {key for key in keys if images.is_scaled(key)}


@lru_cache(maxsize=1 << 18)
def _digest(path: Path, _size: int, _mtime_ns: int) -> str:
    """Shared by all sources of this process, since many runs read the same dataset."""
    return content_digest(_read(path))


@lru_cache(maxsize=1 << 18)
def _is_scaled(path: Path, _size: int, _mtime_ns: int) -> bool:
    return is_scaled(path)


def _state(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        raise _missing(path) from None
    return stat.st_size, stat.st_mtime_ns


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
