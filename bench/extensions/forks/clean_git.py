"""What git says of a clone, read so that nothing of the clone can run.

The settings of a clone can name programs: filters, monitors of the file system, hooks. So git never reads them here. It
gets a folder of its own without settings, which points to the objects of the clone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.extensions.forks.errors import OfficialCodeError
from datasets_registry import foreign_files

_LARGEST_NOTE = 2**16
"""Bytes of HEAD, of a reference, and of the file that says where git's folder is."""
_LARGEST_LIST = 2**26
"""Bytes of git's index, of its packed references, and of one answer of git."""
_SECONDS = 120
_HEX = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REFERENCE = re.compile(r"ref: (refs(?:/[^/\0\s]+)+)")
_MOST_REFERENCES = 5
"""Symbolic references that are followed from HEAD."""
SUBMODULE = "160000"
"""Mode of a submodule in git's lists."""
LINK = "120000"
"""Mode of a symbolic link in git's lists."""


@dataclass(frozen=True)
class GitFolder:
    """The parts of git's folder of a clone that are data.

    Args:
        clone: the root of the clone.
        own: the folder with HEAD and the index.
        shared: the folder with objects and references; another one for a worktree.
    """

    clone: Path
    own: Path
    shared: Path

    @classmethod
    def of(cls, clone: Path) -> GitFolder:
        """Git's folder of a clone or submodule; raises OfficialCodeError if there is none."""
        own = clone / ".git"
        if own.is_file():
            text = _note(own)
            if not text.startswith("gitdir: "):
                raise OfficialCodeError(f"git cannot read {clone}: its file .git names no folder.")
            own = clone / text.removeprefix("gitdir: ")
        common = own / "commondir"
        return cls(clone, own, own / _note(common) if common.is_file() else own)

    def commit(self) -> str:
        """The commit of HEAD, in hex; raises OfficialCodeError if there is none."""
        text = _note(self.own / "HEAD")
        for _ in range(_MOST_REFERENCES):
            if _HEX.fullmatch(text):
                return text
            match = _REFERENCE.fullmatch(text)
            if match is None or ".." in match[1]:
                break
            text = self._reference(match[1])
        if (self.shared / "reftable").exists():
            raise OfficialCodeError(
                f"git cannot read {self.clone}: its references are a reftable. Convert them with `git refs migrate "
                "--ref-format=files`."
            )
        raise OfficialCodeError(f"git cannot read {self.clone}: it has no commit.")

    def _reference(self, name: str) -> str:
        for folder in (self.own, self.shared):
            if (folder / name).is_file():
                return _note(folder / name)
        packed = self.shared / "packed-refs"
        lines = _bytes(packed).decode(errors="replace").splitlines() if packed.is_file() else []
        return next((line.partition(" ")[0] for line in lines if line.endswith(f" {name}")), "")

    def setting(self, name: str, file: Path | None = None) -> list[str]:
        """The values of a setting in the clone's own file of settings, or in another file; nothing is included."""
        path = file or self.shared / "config"
        if not path.is_file():
            return []
        with self._without_settings() as git:
            command = ["config", "--no-includes", "--file", str(path), "-z", "--get-regexp", name]
            lines = git.answer(*command, may_fail=True)
        return [line.partition(b"\n")[2].decode(errors="replace") for line in lines.split(b"\0") if line]

    def committed(self) -> dict[str, tuple[str, str]]:
        """Mode and object of each file of the commit, by name."""
        with self._without_settings() as git:
            return dict(_entries(git.answer("ls-tree", "-r", "-z", "--full-tree", self.commit()), 2))

    def tracked(self) -> dict[str, tuple[str, str]]:
        """Mode and object of each file of the index, by name; raises OfficialCodeError for a name outside the clone."""
        if not (self.own / "index").is_file():
            return {}
        with self._without_settings() as git:
            (git.folder / "index").write_bytes(_bytes(self.own / "index"))
            return dict(_entries(git.answer("ls-files", "-z", "--stage"), 1))

    def small_content(self, name: str) -> bytes:
        """The content of an object; empty if it is large or absent."""
        with self._without_settings() as git:
            size = git.answer("cat-file", "-s", name, may_fail=True).strip()
            return git.answer("cat-file", "blob", name) if size and int(size) <= _LARGEST_NOTE else b""

    @contextmanager
    def _without_settings(self) -> Iterator[_Git]:
        wide = len(self.commit()) == 64
        with tempfile.TemporaryDirectory(prefix="etl-bench-git-") as place:
            folder = Path(place)
            for part in ("refs", "objects/info"):
                (folder / part).mkdir(parents=True)
            (folder / "HEAD").write_text("ref: refs/heads/none\n")
            objects = os.path.realpath(self.shared / "objects")
            (folder / "objects" / "info" / "alternates").write_bytes(os.fsencode(f"{objects}\n"))
            version = "1\n[extensions]\n\tobjectformat = sha256\n" if wide else "0\n"
            (folder / "config").write_text(f"[core]\n\tbare = true\n\trepositoryformatversion = {version}")
            yield _Git(folder, self.clone)


@dataclass(frozen=True)
class _Git:
    """Git in a folder of its own, without settings of the clone, the user or the machine."""

    folder: Path
    clone: Path

    def answer(self, *words: str, may_fail: bool = False) -> bytes:
        """The output of a command; with `may_fail`, an exit code of 1 is an empty output."""
        program = shutil.which("git")
        if program is None:
            raise OfficialCodeError("git is not installed; official code is identified by its commit.")
        environment = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        environment |= {
            "GIT_DIR": str(self.folder),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "HOME": str(self.folder),
            "LC_ALL": "C",
        }
        with (
            (self.folder / "errors").open("w+b") as errors,
            subprocess.Popen(
                [program, *words], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=errors,
            ) as process,
        ):  # fmt: skip
            timer = threading.Timer(_SECONDS, process.kill)
            timer.start()
            assert process.stdout is not None
            found = process.stdout.read(_LARGEST_LIST + 1)
            if len(found) > _LARGEST_LIST:
                process.kill()
            code = process.wait()
            timer.cancel()
            errors.seek(0)
            why = errors.read(_LARGEST_NOTE).decode(errors="replace")
        if len(found) > _LARGEST_LIST:
            raise OfficialCodeError(f"{self.clone} has too many files for a repository of code.")
        if code and not (may_fail and code == 1):
            raise OfficialCodeError(f"git cannot read {self.clone}: {' '.join(why.split()) or 'it did not answer'}")
        return found


def _note(path: Path) -> str:
    return _bytes(path, _LARGEST_NOTE).decode(errors="replace").strip()


def _bytes(path: Path, most: int = _LARGEST_LIST) -> bytes:
    try:
        return foreign_files.read_bytes(path, most)
    except (OSError, ValueError) as error:
        raise OfficialCodeError(f"git cannot read {path.parent}: {error}.") from error


def _entries(answer: bytes, place: int) -> Iterator[tuple[str, tuple[str, str]]]:
    """Names with their modes and objects; the object is the word at that place."""
    for line in answer.split(b"\0"):
        facts, _, raw = line.partition(b"\t")
        if not raw:
            continue
        name, words = os.fsdecode(raw), facts.decode().split()
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if name.startswith("/") or ".." in parts or ".git" in [part.casefold() for part in parts]:
            raise OfficialCodeError(f"The repository tracks {name!r}, which is no file of its own; it is not read.")
        yield name, (words[0], words[place])
