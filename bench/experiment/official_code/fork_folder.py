"""A git repository of official code: its tracked files, its identity, its trainers and its datasets."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from bench.errors import OfficialCodeError

_TRAINER = re.compile(r"^@TRAINER_REGISTRY\.register\(\)\s*\nclass\s+(\w+)", re.MULTILINE)
_NAME = re.compile(r"""^\s*NAME:\s*["']?([\w.-]+)["']?\s*$""", re.MULTILINE)
_LARGEST_SOURCE = 2**22
"""Bytes of a source or settings file that is read for its contents."""


@dataclass(frozen=True)
class Fork:
    """A checkout of official code.

    Args:
        folder: the root of the checkout, absolute.
        repository: its address without user name and password; empty if it has none.
        changed_files: tracked files that differ from the commit.
        files: all tracked files, those of submodules included, relative to the folder.
        empty_submodules: folders of submodules that were not fetched.
    """

    folder: Path
    repository: str
    commit: str
    changed_files: tuple[str, ...]
    files: tuple[str, ...]
    empty_submodules: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Fork:
        """The checkout at that folder; raises OfficialCodeError if it is not the root of a git repository."""
        folder = path.expanduser().absolute()
        if not folder.is_dir():
            raise OfficialCodeError(f"{path} is not a folder; give a clone of the authors' repository.")
        if not (folder / ".git").exists():
            raise OfficialCodeError(
                f"{path} is not the root of a git repository, so its code has no identity. Clone it with git."
            )
        modules = _modules(folder)
        inner = ["--recurse-submodules"] if modules is not None else []
        files = _git(folder, "ls-files", "-z", *inner).split("\0")
        return cls(
            folder=folder,
            repository=public_address(_git(folder, "config", "--get", "remote.origin.url", fails=True)),
            commit=_git(folder, "rev-parse", "HEAD"),
            changed_files=tuple(_git(folder, "diff", "--name-only", "HEAD").splitlines()),
            files=tuple(sorted(name for name in files if name and (folder / name).is_file())),
            empty_submodules=tuple(words[1] for words in modules or () if words[0].startswith("-")),
        )

    @cached_property
    def tree(self) -> str:
        """Digest of the names and contents of all tracked files, 32 hex digits."""
        sha = hashlib.sha256()
        for name in self.files:
            content = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
            sha.update(f"{name} {content}\n".encode())
        return sha.hexdigest()[:32]

    @property
    def name(self) -> str:
        """The name of the repository, or else of its folder."""
        last = self.repository.rstrip("/").rpartition("/")[2].removesuffix(".git")
        return last or self.folder.name

    def copy_to(self, target: Path) -> None:
        """Copy the tracked files to a folder, since many repositories write into themselves."""
        for name in self.files:
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.folder / name, place, follow_symlinks=True)

    @cached_property
    def trainers(self) -> Mapping[str, str]:
        """The registered Dassl trainers of the repository, without those of a copy of Dassl, with their files."""
        found: dict[str, str] = {}
        for name in self.files:
            if name.endswith(".py") and not _of_dassl(name):
                found |= dict.fromkeys(_TRAINER.findall(self.text(name)), name)
        return found

    @cached_property
    def dataset_files(self) -> Mapping[str, str]:
        """The settings file of each dataset that the repository knows, by the dataset's name there."""
        found: dict[str, str] = {}
        for name in self.files:
            path = PurePosixPath(name)
            if path.suffix in (".yaml", ".yml") and "datasets" in path.parts and not _of_dassl(name):
                match = _NAME.search(self.text(name))
                if match:
                    found.setdefault(match[1], name)
        return found

    @property
    def vendored_dassl(self) -> str | None:
        """The folder in which a copy of Dassl lies; None without one."""
        inits = [PurePosixPath(name) for name in self.files if name.endswith("dassl/__init__.py")]
        return str(min(inits, key=lambda path: len(path.parts)).parent.parent) if inits else None

    def text(self, name: str) -> str:
        """The text of a tracked file; empty if it is too large to be source."""
        path = self.folder / name
        return path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size <= _LARGEST_SOURCE else ""


def public_address(address: str) -> str:
    """An address without user name and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", address)


def _of_dassl(name: str) -> bool:
    return any("dassl" in part.casefold() for part in PurePosixPath(name).parts[:-1])


def _modules(folder: Path) -> list[list[str]] | None:
    """The submodules with their states; None if the repository names no address for one of them."""
    try:
        return [line.split() for line in _git(folder, "submodule", "status").splitlines()]
    except OfficialCodeError:
        return None


def _git(folder: Path, *words: str, fails: bool = False) -> str:
    """The output of a git command; with `fails`, an exit code of 1 is an empty output."""
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "-c",
        "core.quotepath=off",
        "--no-optional-locks",
        "-C",
        str(folder),
        *words,
    ]
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, encoding="utf-8", errors="replace"
        )
    except FileNotFoundError:
        raise OfficialCodeError("git is not installed; official code is identified by its commit.") from None
    except subprocess.TimeoutExpired:
        raise OfficialCodeError(f"git did not answer in {folder}.") from None
    if ran.returncode and not (fails and ran.returncode == 1):
        raise OfficialCodeError(f"git cannot read {folder}: {' '.join(ran.stderr.split()) or 'no message'}")
    return ran.stdout.strip()
