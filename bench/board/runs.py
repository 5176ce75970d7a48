"""The runs folder of a board: exactly the runs of its accepted submissions, each counted once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from bench._util.atomic_write import write_atomically
from bench.results.bundle_file import DIFFICULTY_FILE, OpenBundle, open_bundle
from bench.results.import_notes import imports_folder, note_verified, write_note
from bench.results.shards import Shards
from bench.submissions.folder import BUNDLE
from bench.submissions.report import OwnChecks

REPRODUCED = ("identical", "rounding")
"""Outcomes of a repetition that show a run to be genuine."""


@dataclass(frozen=True)
class BoardRuns:
    """The changes in the runs folder of a board.

    Args:
        owner: the submission of each run; of several with one run, the one that was submitted first.
        added: runs that were written, new or of another record than before.
        removed: runs that no accepted submission holds any more.
    """

    owner: Mapping[str, str]
    added: int
    removed: int


def update_runs(
    runs: Path, submissions: Path, accepted: Sequence[OwnChecks], outcomes: Mapping[str, Mapping[str, str]]
) -> BoardRuns:
    """Fill the folder with the runs of the accepted submissions; earlier submissions in the list take precedence.

    Unchanged runs stay as they are. `outcomes` of repeated runs, by submission and run, decide which runs
    count as verified.
    """
    shards = Shards(runs)
    owner: dict[str, str] = {}
    wanted: dict[str, str] = {}
    for own in accepted:
        for run in own.runs:
            if owner.setdefault(run.run_id, own.name) == own.name:
                wanted[run.run_id] = run.record
    before = _written(runs)
    here = {entry.run_id for entry in shards.scan()}
    gone = sorted(here - set(wanted))
    for run_id in gone:
        for path in shards.files(run_id):
            path.unlink()
    new = [run_id for run_id in wanted if run_id not in here or before.get(run_id) != wanted[run_id]]
    by_owner: dict[str, list[str]] = defaultdict(list)
    for run_id in new:
        by_owner[owner[run_id]].append(run_id)
    rmtree(runs / "difficulty", ignore_errors=True)
    for own in accepted:
        with open_bundle(submissions / own.name / BUNDLE) as bundle:
            _difficulties(runs, bundle)
            for run_id in by_owner[own.name]:
                _place(runs, run_id, bundle)
    _note(runs, accepted, owner, outcomes)
    _write_list(runs, wanted)
    return BoardRuns(owner, len(new), len(gone))


def _place(runs: Path, run_id: str, bundle: OpenBundle) -> None:
    """Write the files of a run as they are in the bundle, which was checked; the record last, which commits it."""
    stem = f"shards/{run_id[:2]}/{run_id}"
    (runs / stem).parent.mkdir(parents=True, exist_ok=True)
    for name in (f"{stem}.predictions.safetensors", f"{stem}.json"):
        if name in bundle.names:
            write_atomically(runs / name, bundle.read(name), durable=False)


def _difficulties(runs: Path, bundle: OpenBundle) -> None:
    """Write the difficulties that no earlier submission has."""
    for name in bundle.names:
        if DIFFICULTY_FILE.fullmatch(name) and not (runs / name).exists():
            (runs / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(runs / name, bundle.read(name), durable=False)


def _note(
    runs: Path,
    accepted: Sequence[OwnChecks],
    owner: Mapping[str, str],
    outcomes: Mapping[str, Mapping[str, str]],
) -> None:
    """Mark all runs as imported, except verified runs."""
    rmtree(imports_folder(runs), ignore_errors=True)
    imports_folder(runs).mkdir(parents=True, exist_ok=True)
    for own in accepted:
        mine = [run.run_id for run in own.runs if owner[run.run_id] == own.name]
        others = [run.run_id for run in own.runs if owner[run.run_id] != own.name]
        write_note(runs, own.root, own.name, mine, others)
        for run_id in mine:
            if outcomes.get(own.name, {}).get(run_id) in REPRODUCED:
                note_verified(runs, run_id)


def _written(runs: Path) -> dict[str, str]:
    """The digest of each record as it was last written, by run id."""
    path = runs / "board-runs.txt"
    if not path.is_file():
        return {}
    return dict(line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines() if " " in line)


def _write_list(runs: Path, wanted: Mapping[str, str]) -> None:
    runs.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{run_id} {record}\n" for run_id, record in sorted(wanted.items()))
    write_atomically(runs / "board-runs.txt", text.encode(), durable=False)
