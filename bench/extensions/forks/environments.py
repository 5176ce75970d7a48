"""Which packages an environment has, found from its files: its Python is not started."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from bench.extensions.forks.errors import OfficialCodeError
from datasets_registry import foreign_files

_PACKAGES = (
    "lib/python3*/site-packages", "lib/python3*/dist-packages", "lib/python3/dist-packages",
    "local/lib/python3*/dist-packages", "lib64/python3*/site-packages", "Lib/site-packages",
)  # fmt: skip
"""Folders of packages below the root of an installation or a virtual environment."""
_LARGEST_FILE = 2**20


def absent_packages(names: Sequence[str], python: Path | None, imports: Sequence[Path]) -> list[str]:
    """The names among these top packages that a Python cannot import; None is the Python of the harness.

    Raises OfficialCodeError if no folder of packages belongs to that Python.
    """
    folders = _own_folders() if python is None else list(_folders_of(python))
    if not folders:
        raise OfficialCodeError(
            f"{python} cannot be used as a Python: no folder of packages belongs to it. Give the one in the bin folder "
            "of an environment with --set fork.python=FILE."
        )
    searched = [str(one) for one in (*imports, *folders)]
    return [name for name in names if PathFinder.find_spec(name, searched) is None]


def _own_folders() -> list[str]:
    """Where this process imports from, without the folder in which the user happens to be."""
    return [folder for folder in sys.path if folder and Path(folder) != Path.cwd()]


def _folders_of(python: Path) -> Iterator[Path]:
    """The folders of packages of an interpreter, and those that its `.pth` files name."""
    for root in _roots(python):
        for pattern in _PACKAGES:
            for folder in root.glob(pattern):
                yield folder
                for file in folder.glob("*.pth"):
                    yield from (path for path in map(Path, _lines(file)) if path.is_absolute() and path.is_dir())


def _roots(python: Path) -> Iterator[Path]:
    """The environment of an interpreter, and the installation below it if the environment uses its packages."""
    environment = python.parent.parent
    yield environment
    settings = [line.replace(" ", "").lower() for line in _lines(environment / "pyvenv.cfg")]
    if not settings or "include-system-site-packages=true" in settings:
        yield python.resolve().parent.parent


def _lines(file: Path) -> list[str]:
    try:
        return foreign_files.read_text(file, _LARGEST_FILE).splitlines()
    except (OSError, ValueError):
        return []
