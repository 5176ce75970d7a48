"""Atomic imports, even if the process is killed, and records of the imported and verified runs."""

import json
import logging
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.results.files import locked, sync_folder, write_atomically

_NOTES_LOG = logging.getLogger("bench.results.staged_import")


def imports_folder(runs: Path) -> Path:
    """The folder of all notes and of unfinished imports."""
    return runs / "imports"


def write_note(runs: Path, root: str, bundle: str, added: Sequence[str], kept: Sequence[str]) -> None:
    """Record which runs a bundle added and which it did not replace. A repeated import extends the first note."""
    target = imports_folder(runs) / f"{root[:16]}.json"
    before = {run_id for path, _, ids in _notes(runs) if path == target for run_id in ids}
    facts = {"root": root, "bundle": bundle, "added": sorted({*before, *added} - set(kept)), "kept": list(kept)}
    write_atomically(target, json.dumps(facts, indent=1).encode())


def origin(runs: Path, run_id: str) -> str | None:
    """The root of the bundle that a run was imported from; None for a run that was not imported."""
    return next((root for _, root, added in _notes(runs) if run_id in added), None)


def unverified_imports(runs: Path) -> frozenset[str]:
    """The run ids of a folder that were imported and not verified since."""
    found = {run_id for _, _, added in _notes(runs) for run_id in added}
    return frozenset(run_id for run_id in found if not _verified(runs, run_id).exists())


def note_verified(runs: Path, run_id: str) -> None:
    """Record that an imported run was repeated with the same predictions."""
    if run_id in unverified_imports(runs):
        path = _verified(runs, run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _notes(runs: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """File, root and added runs of each note; unreadable notes are left out with a warning."""
    for path in sorted(imports_folder(runs).glob("*.json")):
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            yield path, str(facts["root"]), [str(run_id) for run_id in facts["added"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            _NOTES_LOG.warning("%s cannot be read (%s), so the runs it lists are not marked as imported.", path, error)


def _verified(runs: Path, run_id: str) -> Path:
    return imports_folder(runs) / "verified" / run_id


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
