"""Readers of bytes, text, JSON and TOML that others wrote. Each file is a regular file and has limits.

They raise OSError for a file that cannot be read or is too large, and ValueError for content that is not of its kind.
"""

import errno
import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from datasets_registry._limits import GIB, LARGEST_JSON, LARGEST_SETTINGS, MIB, MOST_KEY_PARTS, MOST_VALUES

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_PART}(?:\.[ \t]*{_PART}){{{MOST_KEY_PARTS}}}")


def regular_file(path: Path) -> Path:
    """The path itself; raises OSError for a folder, a pipe or a device, whose reading may wait or never end."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return path


def check_size(path: Path, most: int) -> None:
    """Raise OSError for a file that is not a regular file or has more than `most` bytes."""
    _check(regular_file(path).stat().st_size, path, most)


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes, as large as it is when it is opened; raises OSError."""
    with regular_file(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        _check(size, path, most)
        return file.read(size)  # Python takes the memory of a larger number at once


def _check(size: int, path: Path, most: int) -> None:
    if size > most:
        raise OSError(errno.EFBIG, f"it has more than {size_text(most)}, the most that is read", str(path))


def read_text(path: Path, most: int) -> str:
    """The UTF-8 text of a regular file; raises OSError, or ValueError for other bytes."""
    return read_bytes(path, most).decode()


def read_json(path: Path, most: int = LARGEST_JSON, most_values: int = MOST_VALUES) -> Any:
    """The content of a JSON file; raises OSError or ValueError."""
    return parse_json(read_bytes(path, most), most_values)


def parse_json(content: bytes, most_values: int = MOST_VALUES, *, unique: bool = False) -> Any:
    """The content of a JSON text in UTF-8, with at most `most_values` values; raises ValueError for any other.

    The values are counted before they are made, so that a small text cannot fill the memory. With `unique`, an object
    that gives a name twice is refused; without, the last one counts.

    Example:
        >>> parse_json(b'{"a": [1, 2]}')
        {'a': [1, 2]}
        >>> parse_json(b"[" + 9 * b"[],", most_values=9)
        Traceback (most recent call last):
        ValueError: it has more than 9 values, the most that are read
    """
    if sum(map(content.count, (b",", b"[", b"{"))) > most_values:
        raise ValueError(f"it has more than {most_values} values, the most that are read")
    try:
        return json.loads(content, object_pairs_hook=_unique if unique else None)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("an object gives one name twice")
    return values


def read_toml(path: Path, most: int = LARGEST_SETTINGS) -> dict[str, Any]:
    """The content of a TOML file; raises OSError or ValueError."""
    return parse_toml(read_text(path, most))


def parse_toml(text: str) -> dict[str, Any]:
    """The content of a TOML text; raises ValueError.

    A key of many parts is refused before it is read, since its reading takes the square of their number.
    """
    if _LONG_KEY.search(text):
        raise ValueError(f"a key has more than {MOST_KEY_PARTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def size_text(size: int) -> str:
    """A size in bytes for a message.

    Example:
        >>> size_text(3 * 2**30), size_text(16 * 2**20), size_text(100)
        ('3 GiB', '16 MiB', '100 bytes')
    """
    if size >= GIB:
        return f"{size / GIB:.3g} GiB"
    return f"{size / MIB:.3g} MiB" if size >= MIB else f"{size} bytes"
