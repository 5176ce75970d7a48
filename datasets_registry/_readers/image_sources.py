"""Sources of images: files in a folder, encoded images that a function reads, arrays in HDF5 files, and records."""

import copy
import errno
import hashlib
import io
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datasets_registry._errors import DataError
from datasets_registry._limits import LARGEST_IMAGE
from datasets_registry._readers.decode import (
    ORIENTATION_RULE,
    PUBLISHED,
    SCALING_RULE,
    BadImageError,
    Decoding,
    check_content,
    check_image_size,
    content_digest,
    decode_image,
    is_scaled,
    is_turned,
)
from datasets_registry._readers.foreign_files import read_bytes
from datasets_registry._types import Images

_JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})


class ImageFiles:
    """An `Images` source whose keys are paths below one folder, with forward slashes.

    Args:
        found: paths below `root` of keys that are not the path themselves. This keeps keys, draws and fingerprints
            equal for the same images in another layout.
    """

    def __init__(self, root: Path, found: Mapping[str, str] | None = None, decoding: Decoding = PUBLISHED) -> None:
        self.root = root
        self.decoding = decoding
        self._found = found or {}

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.root / self._found.get(key, key)

    def read(self, key: str) -> bytes:
        """The bytes of a file. Raises DataError for a missing or unreadable file."""
        return read_image_file(self.path(key), self.decoding)

    def load(self, key: str) -> Image.Image:
        """The image as RGB. Raises DataError for a missing or unreadable file, and as `decode_image` does."""
        return decode_image(self.read(key), self.path(key), self.decoding)

    def digest(self, key: str) -> str:
        """See `content_digest`; cached until the file's size or modification time changes."""
        path = self.path(key)
        state = _state(path, self.decoding)
        digest = _digest(path, *state, self.decoding.advice)
        return _digest_of_turned(digest) if self.decoding.orient and _is_turned(path, *state) else digest

    def decoding_rules(self, key: str) -> list[str]:
        """The rules that change the pixels of an image. A file with a JPEG suffix is assumed to have 8 bits."""
        path = self.path(key)
        state = _state(path, self.decoding)
        scaled = path.suffix.lower() not in _JPEG_SUFFIXES and _is_scaled(path, *state)
        turned = self.decoding.orient and _is_turned(path, *state)
        return [SCALING_RULE] * scaled + [ORIENTATION_RULE] * turned

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The keys without a file. Each folder is listed once, which is faster than a check per file.

        A folder that may not be listed is not known to miss any: loading one of its images raises DataError.
        """
        by_folder: defaultdict[str, list[str]] = defaultdict(list)
        for key in keys:
            by_folder[str(PurePosixPath(self._found.get(key, key)).parent)].append(key)
        absent: list[str] = []
        for folder, members in by_folder.items():
            path = self.root / folder
            try:
                present = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
            except PermissionError:
                continue
            absent += [key for key in members if self.path(key).name not in present]
        return absent


class EncodedImages:
    """An `Images` source whose `read` returns the encoded bytes of a key; messages name `root`."""

    def __init__(self, root: Path, read: Callable[[str], bytes], decoding: Decoding = PUBLISHED) -> None:
        self.root = root
        self.decoding = decoding
        self.read = read
        self._digests: dict[str, tuple[str, bool, bool]] = {}

    def load(self, key: str) -> Image.Image:
        """The image as RGB. Raises DataError as `decode_image` does."""
        return decode_image(self.read(key), f"{self.root}/{key}", self.decoding)

    def digest(self, key: str) -> str:
        """See `content_digest`."""
        digest, _, turned = self._facts(key)
        return _digest_of_turned(digest) if self.decoding.orient and turned else digest

    def decoding_rules(self, key: str) -> list[str]:
        """The rules that change the pixels of an image."""
        _, scaled, turned = self._facts(key)
        return [SCALING_RULE] * scaled + [ORIENTATION_RULE] * (self.decoding.orient and turned)

    def _facts(self, key: str) -> tuple[str, bool, bool]:
        if key not in self._digests:
            content = self.read(key)
            check_content(content, f"{self.root}/{key}", self.decoding)
            self._digests[key] = content_digest(content), is_scaled(content), is_turned(content)
        return self._digests[key]


EncodedT = TypeVar("EncodedT", bound=ImageFiles | EncodedImages)


def oriented(images: EncodedT, *, orient: bool = True) -> EncodedT:
    """The same images, turned upright by their EXIF orientation or as they are stored."""
    other = copy.copy(images)
    other.decoding = replace(images.decoding, orient=orient)
    return other


def decoding_rules(images: Images, keys: Iterable[str]) -> dict[str, list[str]]:
    """The rules that change the pixels of images, by key; empty for a source that does not read encoded images."""
    if not isinstance(images, ImageFiles | EncodedImages):
        return {}
    return {key: rules for key in keys if (rules := images.decoding_rules(key))}


def image_as_file(images: Images, key: str) -> bytes:
    """An image of a source as the bytes of a file, which any reader decodes to the pixels of `load`.

    These are the bytes on disk, or a PNG file if the image is synthetic, scaled to 8 bits or turned upright. Raises
    DataError as `decode_image` does.
    """
    image = images.load(key)
    if isinstance(images, ImageFiles | EncodedImages) and not images.decoding_rules(key):
        return images.read(key)
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


def _digest_of_turned(digest: str) -> str:
    return hashlib.sha256(f"{digest} {ORIENTATION_RULE}".encode()).hexdigest()


@lru_cache(maxsize=1 << 18)
def _digest(path: Path, _size: int, _mtime_ns: int, advice: str) -> str:
    """Shared by all sources of this process, since many runs read the same dataset."""
    return content_digest(read_image_file(path, Decoding(advice=advice)))


@lru_cache(maxsize=1 << 18)
def _is_scaled(path: Path, _size: int, _mtime_ns: int) -> bool:
    return is_scaled(path)


@lru_cache(maxsize=1 << 18)
def _is_turned(path: Path, _size: int, _mtime_ns: int) -> bool:
    return is_turned(path)


def _state(path: Path, decoding: Decoding) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        raise _missing(path, decoding) from None
    return stat.st_size, stat.st_mtime_ns


def read_image_file(path: Path, decoding: Decoding = PUBLISHED) -> bytes:
    """The bytes of an image file.

    Raises BadImageError for a missing, unreadable, empty or too large file, for a Git LFS pointer, and for a pipe or a
    device, which is not opened.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            what = next((name for test, name in _SPECIAL if test(status.st_mode)), "a special file")
            raise BadImageError(path, f"is {what}, not a file", "Give a regular file", "not a regular file")
        check_image_size(status.st_size, path)
        content = read_bytes(path, LARGEST_IMAGE)
    except BadImageError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(path, decoding) from None
    except ValueError as error:
        raise BadImageError(path, f"has a name that no file can have ({error})", "Correct the name", "name") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _missing(path, decoding) from None
        why = f"cannot be read ({error.strerror or error})"
        raise BadImageError(path, why, "Check its permissions and the disk", "no permission to read") from error
    check_content(content, path, decoding)
    return content


_SPECIAL = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _missing(path: Path, decoding: Decoding) -> BadImageError:
    if path.is_symlink():
        return BadImageError(path, f"is a broken link to {path.readlink()}", decoding.advice, "broken link")
    if decoding.advice == PUBLISHED.advice:
        how = "Check that the dataset's archive was unpacked completely and that the split file belongs to these images"
        return BadImageError(path, "does not exist", how, "missing")
    return BadImageError(path, "does not exist", decoding.advice, "missing")


class Hdf5Images:
    """An `Images` source of files with one uint8 array `(n, height, width, 3)` each. A key is `part/row`.

    Args:
        files: the file of each part.
        array: the name of the array in each file.
    """

    def __init__(self, files: Mapping[str, Path], array: str) -> None:
        self._files = files
        self._array = array

    def load(self, key: str) -> Image.Image:
        """The image as RGB. Raises DataError, naming the file, if it cannot be read."""
        return Image.fromarray(self._pixels(key))

    def digest(self, key: str) -> str:
        """Hex SHA-256 of the shape and the pixels."""
        pixels = self._pixels(key)
        return hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()

    def _pixels(self, key: str) -> NDArray[np.uint8]:
        part, _, row = key.partition("/")
        return np.asarray(_read_hdf5(self._files[part], self._array, lambda array: array[int(row)]))


class RecordImages:
    """An `Images` source of files of records: label bytes, then the red, green and blue plane. A key is `file/row`.

    Args:
        folder: the folder of the files.
        label_bytes: bytes before the pixels of a record.
        side: height and width of the images.
    """

    def __init__(self, folder: Path, label_bytes: int, side: int) -> None:
        self._folder = folder
        self._label_bytes = label_bytes
        self._side = side

    @property
    def _record(self) -> int:
        return self._label_bytes + 3 * self._side**2

    def labels(self, file: str, most: int) -> NDArray[np.uint8]:
        """The label bytes of each record of a file, `(n, label_bytes)`.

        Raises DataError if the file cannot be read, has more than `most` records or not a whole number of them.
        """
        path = self._folder / file
        try:
            content = np.frombuffer(read_bytes(path, most * self._record), dtype=np.uint8)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read ({error}). Unpack the published archive again.") from error
        if not content.size or content.size % self._record:
            raise DataError(
                f"{path} has {content.size} bytes, which is not a whole number of records of {self._record} bytes. "
                "Unpack the published archive again."
            )
        return content.reshape(-1, self._record)[:, : self._label_bytes]

    def load(self, key: str) -> Image.Image:
        """The image as RGB. Raises DataError, naming the file, if it cannot be read."""
        planes = np.frombuffer(self._pixels(key), dtype=np.uint8).reshape(3, self._side, self._side)
        return Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0)))

    def digest(self, key: str) -> str:
        """Hex SHA-256 of the pixels as they are stored."""
        return hashlib.sha256(self._pixels(key)).hexdigest()

    def _pixels(self, key: str) -> bytes:
        file, _, row = key.rpartition("/")
        path = self._folder / file
        try:
            with path.open("rb") as content:
                content.seek(int(row) * self._record + self._label_bytes)
                pixels = content.read(3 * self._side**2)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error}). Unpack the published archive again.") from error
        if len(pixels) < 3 * self._side**2:
            raise DataError(f"{path} has no record {row}. Unpack the published archive again.")
        return pixels


def read_array(path: Path, name: str) -> NDArray[Any]:
    """A whole array of a file. Raises DataError if h5py is not installed or the file has no such array."""
    return np.asarray(_read_hdf5(path, name, lambda array: array[()]))


def array_length(path: Path, name: str) -> int:
    """The number of rows of an array. Raises DataError like `read_array`."""
    return int(_read_hdf5(path, name, len))


def _read_hdf5(path: Path, name: str, part: Callable[[Any], Any]) -> Any:
    """`part(array)`. The file is opened for each call, since processes must not share an open file."""
    try:
        import h5py
    except ImportError:
        raise DataError(
            f"{path} is an HDF5 file, and the package that reads it is not installed. "
            f"Run `pip install 'clip-etl-bench[hdf5]'`."
        ) from None
    try:
        with h5py.File(path, "r") as file:
            return part(file[name])
    except (OSError, KeyError, IndexError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path} cannot be read as an HDF5 file with an array {name!r} ({reason}). Get the published file again."
        ) from error
