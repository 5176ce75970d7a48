"""Checks that an output file or folder can be written, before the work that fills it."""

import os
from pathlib import Path

from bench.errors import UsageError


def check_output_file(path: Path, option: str) -> None:
    """Raise UsageError, naming the option, if no file can be written at that path; creates nothing."""
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder; name a file in it.")
    check_output_folder(path.parent, option)


def check_output_folder(path: Path, option: str) -> None:
    """Raise UsageError, naming the option, if that folder cannot be written or made; creates nothing."""
    folder = path.absolute()
    place = next(parent for parent in (folder, *folder.parents) if os.path.lexists(parent))
    if not place.is_dir():
        raise UsageError(f"{option} {path} cannot be written, because {place} is not a folder; choose another place.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {path} cannot be written, because {place} is not writable; choose another place.")
