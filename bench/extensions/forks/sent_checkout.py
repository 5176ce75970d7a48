"""A checkout for machines that do not have it: its tracked files, and what git says of them, as one tar."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path

from bench.extensions.forks.fork_folder import Fork
from datasets_registry import foreign_files

_FACTS = ".etl-bench-checkout.json"
"""File of an unpacked checkout in the place of git's folder."""


def packed_checkout(folder: Path) -> bytes:
    """The tracked files of a checkout and its facts as a tar; equal files give equal bytes.

    Raises OfficialCodeError if the folder is not the root of a git repository.
    """
    fork, buffer = Fork.read(folder), io.BytesIO()
    facts = {name: getattr(fork, name) for name in ("repository", "commit", "changed_files", "empty_submodules")}
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as tar:
        for name in fork.files:
            item = tar.gettarinfo(fork.folder / name, name)
            item.mtime, item.uid, item.gid, item.uname, item.gname = 0, 0, 0, "", ""
            with (fork.folder / name).open("rb") as file:
                tar.addfile(item, file)
        content = json.dumps(facts).encode()
        item = tarfile.TarInfo(_FACTS)
        item.size = len(content)
        tar.addfile(item, io.BytesIO(content))
    return buffer.getvalue()


def unpack_checkout(content: bytes, folder: Path) -> None:
    """Write a packed checkout to a folder; one that another process has written meanwhile is kept."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as part:
        made = Path(part, "checkout")
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            tar.extractall(made, filter="data")
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise


def read_checkout(folder: Path) -> Fork:
    """A checkout, or one that was packed on another machine; raises OfficialCodeError if it is neither."""
    file = folder / _FACTS
    if (folder / ".git").exists() or not file.exists():
        return Fork.read(folder)
    facts = foreign_files.read_json(file)
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path != file)
    return Fork(
        folder=folder.absolute(),
        repository=facts["repository"],
        commit=facts["commit"],
        changed_files=tuple(facts["changed_files"]),
        files=tuple(sorted(found)),
        empty_submodules=tuple(facts["empty_submodules"]),
    )
