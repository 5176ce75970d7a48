"""Images and labels in HDF5 files, read with the optional package h5py."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datasets_registry._errors import DataError


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
        return np.asarray(_read(self._files[part], self._array, lambda array: array[int(row)]))


def read_array(path: Path, name: str) -> NDArray[Any]:
    """A whole array of a file. Raises DataError if h5py is not installed or the file has no such array."""
    return np.asarray(_read(path, name, lambda array: array[()]))


def array_length(path: Path, name: str) -> int:
    """The number of rows of an array. Raises DataError like `read_array`."""
    return int(_read(path, name, len))


def _read(path: Path, name: str, part: Callable[[Any], Any]) -> Any:
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
