"""Readers of the files that features are imported from: arrays (npz, safetensors) and class names (text, JSON)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.numpy
from numpy.typing import NDArray

from datasets_registry import LARGEST_CLASS_LIST, DataError, UnknownNameError, foreign_files, read_npz


def read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Arrays by name from an .npz of plain arrays or a safetensors file, without unpickling; raises DataError."""
    try:
        if file.suffix == ".safetensors":
            return safetensors.numpy.load_file(str(file))
        return read_npz(file)
    except Exception as error:  # the readers raise errors of many kinds for damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{file} cannot be read as plain arrays ({reason}); give an .npz or .safetensors file."
        ) from error


def take(arrays: Mapping[str, NDArray[Any]], name: str, file: Path) -> NDArray[Any]:
    """One array; raises UnknownNameError, which lists the arrays of the file."""
    if name not in arrays:
        raise UnknownNameError(f"array of {file.name}", name, arrays)
    return arrays[name]


def class_names(file: Path) -> list[str]:
    """Class names in label order, from a JSON list or from text with one name per line.

    WordNet ids at the beginning of all lines, as in ImageNet's `classnames.txt`, are removed. Raises DataError if the
    file cannot be read or is not a list of names.
    """
    try:
        text = foreign_files.read_text(file, LARGEST_CLASS_LIST)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The class names {file} cannot be read ({error}); give one UTF-8 name per line.") from error
    if file.suffix == ".json":
        try:
            names = foreign_files.parse_json(text.encode())
        except ValueError as error:
            raise DataError(f"{file} is not JSON ({error}); give a list of names.") from error
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f'{file} is not a list of names; give ["cat", "dog", ...].')
        return names
    lines = [line for line in text.splitlines() if line.strip()]
    words = [line.split(" ", 1) for line in lines]
    if all(len(w) == 2 and len(w[0]) == 9 and w[0][0] == "n" and w[0][1:].isdigit() for w in words):
        return [w[1].strip() for w in words]
    return [line.strip() for line in lines]
