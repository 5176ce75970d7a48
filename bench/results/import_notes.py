"""Records of imports: the bundle of each imported run, and which of these runs were verified since.

`<runs>/imports/<first 16 digits of the root>.json` lists the runs that a bundle added. It is written before the runs,
so that an imported run is always marked as imported. A verified run has an empty file in `imports/verified/`.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench._util.atomic_write import write_atomically

_LOG = logging.getLogger("bench.results.import_notes")


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
            _LOG.warning("%s cannot be read (%s), so the runs it lists are not marked as imported.", path, error)


def _verified(runs: Path, run_id: str) -> Path:
    return imports_folder(runs) / "verified" / run_id
