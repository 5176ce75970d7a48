"""A git repository of official code: its tracked files, its identity, its trainers and its datasets."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from bench.errors import StaleSpecError
from bench.extensions.forks.clean_git import LINK, SUBMODULE, GitFolder
from bench.extensions.forks.errors import OfficialCodeError

_TRAINER = re.compile(r"^@TRAINER_REGISTRY\.register\(\)\s*\nclass\s+(\w+)", re.MULTILINE)
_NAME = re.compile(r"""^[ \t]*NAME:[ \t]*["']?([\w.-]+)["']?[ \t]*$""", re.MULTILINE)
_LARGEST_SOURCE = 2**22
"""Bytes of a source or settings file that is read for its contents."""
_DEEPEST_SUBMODULE = 5
_LFS = b"version https://git-lfs.github.com/spec/v1\n"


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
        git, tree = GitFolder.of(folder), _Tree.read(folder)
        address = git.setting(r"^remote\.origin\.url$")
        return cls(
            folder=folder,
            repository=public_address(address[-1] if address else ""),
            commit=git.commit(),
            changed_files=tuple(sorted(tree.changed)),
            files=tuple(sorted(tree.files)),
            empty_submodules=tuple(sorted(tree.empty)),
        )

    @cached_property
    def known(self) -> frozenset[str]:
        """The tracked files as a set."""
        return frozenset(self.files)

    @cached_property
    def base_names(self) -> frozenset[str]:
        """The names of the tracked files without their folders."""
        return frozenset(PurePosixPath(name).name for name in self.files)

    @cached_property
    def code_folders(self) -> frozenset[str]:
        """The folders with Python files, directly or below, relative to the repository."""
        code = (PurePosixPath(name) for name in self.files if name.endswith(".py"))
        return frozenset(str(folder) for path in code for folder in path.parents)

    @cached_property
    def tree(self) -> str:
        """Digest of the names and contents of all tracked files, 32 hex digits."""
        return files_digest(self.folder, self.files)

    @property
    def name(self) -> str:
        """The name of the repository, or else of its folder."""
        last = self.repository.rstrip("/").rpartition("/")[2].removesuffix(".git")
        return last or self.folder.name

    def copy_to(self, target: Path) -> None:
        """Copy the tracked files to a folder, since many repositories write into themselves.

        Raises StaleSpecError if a file has changed since the digest was computed: what was agreed to is what runs.
        """
        expected = self.tree
        for name in self.files:
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.folder / name, place, follow_symlinks=True)
        if files_digest(target, self.files) != expected:
            raise StaleSpecError(f"The code in {self.folder} changed while it was copied; plan the run again.")

    @cached_property
    def trainer_files(self) -> Mapping[str, Sequence[str]]:
        """The registered Dassl trainers of the repository, without those of a copy of Dassl, with all their files."""
        found: dict[str, list[str]] = {}
        for name in self.files:
            if name.endswith(".py") and not _of_dassl(name):
                for trainer in _TRAINER.findall(self.text(name)):
                    found.setdefault(trainer, []).append(name)
        return found

    @cached_property
    def trainers(self) -> Mapping[str, str]:
        """The registered Dassl trainers of the repository with the first of their files."""
        return {trainer: files[0] for trainer, files in self.trainer_files.items()}

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

    @cached_property
    def dassl_folders(self) -> tuple[str, ...]:
        """The folders in which a copy of Dassl lies, the one nearest to the root first."""
        inits = [PurePosixPath(name) for name in self.files if name.endswith("dassl/__init__.py")]
        return tuple(str(path.parent.parent) for path in sorted(inits, key=lambda path: len(path.parts)))

    @property
    def vendored_dassl(self) -> str | None:
        """The folder in which a copy of Dassl lies; None without one."""
        return next(iter(self.dassl_folders), None)

    def text(self, name: str) -> str:
        """The text of a tracked file; empty if it is too large to be source."""
        path = self.folder / name
        return path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size <= _LARGEST_SOURCE else ""


def public_address(address: str) -> str:
    """An address without user name and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", address)


def _of_dassl(name: str) -> bool:
    return any("dassl" in part.casefold() for part in PurePosixPath(name).parts[:-1])


@dataclass
class _Tree:
    """The tracked files of a clone with those of its submodules, their changes, and submodules without files."""

    files: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    empty: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, folder: Path, depth: int = 0) -> _Tree:
        git, found = GitFolder.of(folder), cls()
        committed, tracked = git.committed(), git.tracked()
        with_address = set(git.setting(r"^submodule\..*\.path$", folder / ".gitmodules"))
        for name, (mode, _) in (committed | tracked).items():
            if mode != SUBMODULE:
                found._add(git, name, committed.get(name))
            elif (folder / name / ".git").exists() and _inside(folder, name) and depth < _DEEPEST_SUBMODULE:
                found._add_submodule(name, cls.read(folder / name, depth + 1))
            elif name in with_address:
                found.empty.add(name)
        return found

    def _add(self, git: GitFolder, name: str, before: tuple[str, str] | None) -> None:
        if not _inside(git.clone, name):
            return  # a link that leaves the repository
        if (git.clone / name).is_file():
            self.files.add(name)
        if before is None or not _equals_object(git, name, *before):
            self.changed.add(name)

    def _add_submodule(self, name: str, inner: _Tree) -> None:
        for ours, theirs in ((self.files, inner.files), (self.changed, inner.changed), (self.empty, inner.empty)):
            ours |= {f"{name}/{one}" for one in theirs}


def _inside(folder: Path, name: str) -> bool:
    """Whether a file is in the repository and not in git's folder, wherever links lead."""
    root, place = os.path.realpath(folder), os.path.realpath(folder / name)
    return place.startswith(f"{root}{os.sep}") and ".git" not in Path(place).relative_to(root).parts


def _equals_object(git: GitFolder, name: str, mode: str, expected: str) -> bool:
    """Whether a file on disk is the committed one, apart from line ends, or the one that Git LFS put there."""
    path = git.clone / name
    if mode == LINK and path.is_symlink():
        return _object(os.fsencode(path.readlink()), expected) == expected
    if not path.is_file():
        return False
    if expected == _object_of_file(path, expected):
        return True
    if path.stat().st_size <= _LARGEST_SOURCE and b"\0" not in (content := path.read_bytes()):
        return _object(content.replace(b"\r\n", b"\n"), expected) == expected
    stored = git.small_content(expected)
    return stored.startswith(_LFS) and f"oid sha256:{file_digest(path)}".encode() in stored


def _object(content: bytes, like: str) -> str:
    """Git's name of a content, with as many digits as another name."""
    return _hash_like(like, b"blob %d\0" % len(content) + content).hexdigest()


def _object_of_file(path: Path, like: str) -> str:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        sha = _hash_like(like, b"blob %d\0" % size)
        while part := file.read(2**20):
            sha.update(part)
    return sha.hexdigest()


def _hash_like(name: str, start: bytes) -> hashlib._Hash:
    return hashlib.sha1(start) if len(name) == 40 else hashlib.sha256(start)


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hex, read in parts."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(folder: Path, names: Sequence[str]) -> str:
    """Digest of the names and contents of files, 32 hex digits; a name may contain any character."""
    sha = hashlib.sha256()
    for name in names:
        sha.update(f"{json.dumps([name, file_digest(folder / name)])}\n".encode())
    return sha.hexdigest()[:32]
