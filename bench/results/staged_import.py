"""Atomic imports, even if the process is killed.

An import writes its files to a separate runs folder, `<runs>/imports/staging-.../`, and renames it to
`imports/ready-<root>/`. The rename is the commit. Before it nothing is imported, and a later import deletes the files.
After it, the next command that lists the runs moves the files to their places.
"""

import json
import logging
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench._util.atomic_write import sync_folder, write_atomically
from bench._util.locking import locked
from bench.results.import_notes import imports_folder, write_note

Take = Callable[[Path, str], bool]
"""Moves a run from a folder; False if a finished run is kept instead."""
_LOG = logging.getLogger("bench.results.staged_import")
_HEX = re.compile(r"[0-9a-f]{16}")
_STAGING, _READY, _NOTE = "staging-", "ready-", "note.json"


@dataclass(frozen=True)
class ImportNote:
    """The contents of an import: the bundle's root and file name, run ids to add, and run ids that are not replaced."""

    root: str
    bundle: str
    added: tuple[str, ...]
    kept: tuple[str, ...]


def commit_import(runs: Path, note: ImportNote, fill: Callable[[Path], None], take: Take) -> tuple[str, ...]:
    """Add the shards and difficulties that `fill` writes to a folder to a runs folder; returns the added runs.

    A run that another process finished in the meantime is kept and not returned. Raises OSError if a file cannot be
    written; then the folder is unchanged, or the next command completes the import.
    """
    folder = imports_folder(runs)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        for left in folder.glob(f"{_STAGING}*"):  # from an import that was killed
            shutil.rmtree(left)
        staging = folder / f"{_STAGING}{uuid.uuid4().hex[:8]}"
        ready = folder / f"{_READY}{note.root[:16]}"
        try:
            staging.mkdir()
            fill(staging)
            write_atomically(staging / _NOTE, json.dumps(asdict(note)).encode())
            staging.rename(ready)
        finally:
            shutil.rmtree(staging, ignore_errors=True)  # does not exist if it was renamed
        sync_folder(folder)
        return _move(runs, ready, take)


def finish_imports(runs: Path, take: Take) -> None:
    """Complete imports whose process was killed; warns about an import that cannot be completed."""
    folder = imports_folder(runs)
    if not any(folder.glob(f"{_READY}*")):
        return
    with locked(folder):
        for ready in sorted(folder.glob(f"{_READY}*")):
            try:
                _move(runs, ready, take)
            except (OSError, ValueError, TypeError) as error:
                _LOG.warning("The import in %s is not complete (%s); some of its runs may be missing.", ready, error)


def _move(runs: Path, ready: Path, take: Take) -> tuple[str, ...]:
    """Move the files of a committed import to their places; can be repeated after a kill at any point."""
    path = ready / _NOTE
    if not path.exists():  # everything was moved before
        shutil.rmtree(ready)
        return ()
    note = ImportNote(**json.loads(path.read_text(encoding="utf-8")))
    if odd := [text for text in (note.root[:16], *note.added) if not _HEX.fullmatch(text)]:
        raise ValueError(f"{path} names {odd[0]!r}, which is not an id")
    write_note(runs, note.root, note.bundle, note.added, note.kept)
    refused = [run_id for run_id in note.added if not take(ready, run_id)]
    if refused:
        write_note(runs, note.root, note.bundle, note.added, [*note.kept, *refused])
    for measured in (ready / "difficulty").glob("*/*.json"):
        target = runs / measured.relative_to(ready)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            measured.rename(target)
    path.unlink()
    shutil.rmtree(ready)
    return tuple(run_id for run_id in note.added if run_id not in refused)
