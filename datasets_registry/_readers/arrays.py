"""The reader of files of arrays (npz); their sizes are checked before memory is taken, and nothing is unpickled."""

import math
import tokenize
import zipfile
from pathlib import Path
from typing import IO, Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from datasets_registry._limits import LARGEST_ARRAYS, LARGEST_RATIO, MOST_ARRAYS, SMALL_ARRAYS
from datasets_registry._readers.archives import TooLargeError, open_zip
from datasets_registry._readers.foreign_files import size_text

_SUFFIX = ".npy"


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays by name. Raises OSError or ValueError, or what zipfile raises for damaged files."""
    with open_zip(path, MOST_ARRAYS) as archive:
        infos = archive.infolist()
        most = min(LARGEST_ARRAYS, max(SMALL_ARRAYS, LARGEST_RATIO * path.stat().st_size))
        if (size := sum(info.file_size for info in infos)) > most:
            raise TooLargeError(f"its arrays have {size_text(size)} unpacked, and at most {size_text(most)} are read")
        return {info.filename.removesuffix(_SUFFIX): _array(archive, info) for info in infos}


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as file:
        size = _stated_size(file)
    if size > info.file_size:
        raise ValueError(f"{info.filename} states {size} bytes and has {info.file_size}")
    with archive.open(info) as file:
        array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    return array


def _stated_size(file: IO[bytes]) -> int:
    """The size in bytes of the array whose header begins here; raises ValueError for a header of another kind."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format of arrays is not read")
    try:
        shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    except (tokenize.TokenError, SyntaxError, TypeError, RecursionError, MemoryError, OverflowError) as error:
        raise ValueError("the header of an array is damaged") from error
    if dtype.itemsize == 0 or any(length < 0 for length in shape):
        raise ValueError("an array states items without a size, or a negative length")
    return math.prod(shape) * dtype.itemsize
