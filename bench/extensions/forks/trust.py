"""Code of others runs with the user's rights, so a user agrees once to all that a run would start."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.extensions.forks.errors import OfficialCodeError
from bench.extensions.forks.fork_folder import Fork, file_digest, files_digest
from bench.results import locked, write_atomically
from datasets_registry import foreign_files, user_custom_folder

_FORMAT = "clip-etl-bench trusted code 2"
_MOST_FILES = 20_000
_MOST_BYTES = 2**28
"""Files and bytes of a folder for imports, which are all part of what the user agrees to."""


@dataclass(frozen=True)
class RunnableCode:
    """All code of others that a run starts. Each file of it is part of the digest that the user agrees to.

    Args:
        fork: the clone.
        adapter: the user's adapter; None without one.
        python: the interpreter of the code's own environment; None for that of the harness.
        imports: folders from which it imports besides its own.
        steps: the file with the stages of its training; None without one.
    """

    fork: Fork
    adapter: Path | None = None
    python: Path | None = None
    imports: tuple[Path, ...] = ()
    steps: Path | None = None

    @classmethod
    def of(cls, fork: Fork, adapter: Path | None, places: Mapping[str, str]) -> RunnableCode:
        """The code with the `python`, `path` and `steps` that were set for it, as absolute paths.

        Raises OfficialCodeError for one that does not exist.
        """
        return cls(
            fork=fork,
            adapter=None if adapter is None else _absolute(adapter),
            python=_interpreter(places["python"]) if places.get("python") else None,
            imports=tuple(_folder(part) for part in places.get("path", "").split(":") if part),
            steps=_absolute(Path(places["steps"])) if places.get("steps") else None,
        )

    @cached_property
    def digest(self) -> str:
        """Digest of the contents of all files and of the interpreter's path, 32 hex digits."""
        return hashlib.sha256(json.dumps(dict(self._parts())).encode()).hexdigest()[:32]

    def _parts(self) -> Iterator[tuple[str, str]]:
        yield "clone", self.fork.tree
        for name, file in (("adapter", self.adapter), ("python", self.python), ("steps", self.steps)):
            if file is not None:
                yield name, _content(file)
        if self.python is not None:
            yield "python's path", str(self.python)
        for number, folder in enumerate(self.imports):
            yield f"import {number}", imports_digest(folder)

    @property
    def words(self) -> str:
        """The arguments of `methods inspect` for it, with absolute paths."""
        code = f"adapter:{self.adapter}" if self.adapter is not None else str(self.fork.folder)
        given = {"python": self.python, "path": ":".join(map(str, self.imports)), "steps": self.steps}
        settings = [f"fork.{key}={value}" for key, value in given.items() if value]
        return shlex.join([code, *(word for text in settings for word in ("--set", text))])

    @property
    def what(self) -> str:
        """What it is in a few words."""
        name = self.fork.name if self.adapter is None else f"{self.adapter.name} with {self.fork.name}"
        return f"{name} at {self.fork.commit[:12]}"


def trust_file() -> Path:
    """The user's list of trusted code, `~/.config/clip-etl-bench/trusted-code.json` on Linux."""
    return user_custom_folder().parent / "trusted-code.json"


def trust_code(code: RunnableCode) -> None:
    """Note that the user trusts this code as it is now."""
    file = trust_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(file.parent):
        codes = _trusted() | {code.digest: code.what}
        write_atomically(file, json.dumps({"format": _FORMAT, "codes": codes}, indent=1).encode())


def is_trusted(code: RunnableCode) -> bool:
    """Whether the user trusts exactly this code."""
    return code.digest in _trusted()


def check_trusted(code: RunnableCode) -> None:
    """Raise OfficialCodeError unless the user trusts exactly this code."""
    if not is_trusted(code):
        raise OfficialCodeError(
            f"{code.fork.folder} at {code.fork.commit[:7]} would run with your rights and could read and change your "
            f"files. Read it; if you trust it as it is now, type: etl-bench methods inspect {code.words} --trust"
        )


def imports_digest(folder: Path) -> str:
    """Digest of all files of a folder for imports; raises OfficialCodeError if they are too many or too large.

    Compiled files in `__pycache__` are left out: the code's own Python is started so that it does not read them.
    """
    found, size = [], 0
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name not in (".git", "__pycache__")]
        for path in (Path(place, name) for name in names):
            if path.is_file():
                found.append(path.relative_to(folder).as_posix())
                size += path.stat().st_size
        if len(found) > _MOST_FILES or size > _MOST_BYTES:
            raise OfficialCodeError(
                f"{folder} has more than {_MOST_FILES} files or {_MOST_BYTES >> 20} MiB, too many to agree to. Give "
                "the folder of the package alone to fork.path, or install it for the Python of fork.python."
            )
    return files_digest(folder, sorted(found))


def _trusted() -> dict[str, str]:
    file = trust_file()
    if not file.exists():
        return {}
    try:
        found = foreign_files.read_json(file)
        return {str(code): str(what) for code, what in found["codes"].items()} if found["format"] == _FORMAT else {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise OfficialCodeError(f"{file} cannot be read; repair or delete it, and trust your code again.") from None


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _content(file: Path) -> str:
    try:
        return file_digest(file)
    except OSError as error:
        raise OfficialCodeError(f"{file} cannot be read: {error.strerror}.") from error


def _interpreter(text: str) -> Path:
    """An interpreter as an absolute path, without following links: a link tells which environment it is."""
    found = shutil.which(text) if os.sep not in text else text
    path = _absolute(Path(found or text))
    if not path.is_file():
        raise OfficialCodeError(f"fork.python={text} is no file. Give the path of a Python, such as env/bin/python.")
    return path


def _folder(text: str) -> Path:
    path = _absolute(Path(text))
    if not path.is_dir():
        raise OfficialCodeError(f"fork.path={text} is no folder. Give the folder of a clone, such as Dassl.pytorch.")
    return path
