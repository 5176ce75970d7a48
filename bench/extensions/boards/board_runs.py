"""The runs of a board, each counted once, and the stored results of its checks."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

from pydantic import ValidationError

import bench
from bench.extensions.boards import submissions
from bench.extensions.boards.comparison import SubmissionReport, reports
from bench.extensions.boards.errors import BoardError, SubmissionError
from bench.extensions.boards.precedence import FirstSeen, first_seen
from bench.extensions.boards.submissions.check import Checks, OwnChecks
from bench.extensions.boards.submissions.submission import BUNDLE, open_submission, submission_folders
from bench.results import (
    DIFFICULTY_FILE,
    OpenArchive,
    Shards,
    check_own_folder,
    open_bundle,
    with_origin,
    write_atomically,
    write_output,
)
from datasets_registry import LARGEST_JSON, custom_folders, foreign_files

_WORK = "etl-bench-board.json"
"""File that marks the work folder of a board."""
LARGEST_BOARD_FILE = 64 * 2**20
"""Bytes of `board.json`, and of the outcomes of recomputed runs."""
REPRODUCED = ("identical", "rounding")
"""Outcomes of a repetition that show a run to be genuine."""


@dataclass(frozen=True)
class BoardRuns:
    """The changes in the runs folder of a board.

    Args:
        owner: the submission of each run, in the order in which the runs came; of several with one run, the one that
            came with it first.
        added: runs that were written, new or of another record than before.
        removed: runs that no accepted submission holds any more.
    """

    owner: Mapping[str, str]
    added: int
    removed: int


def board_folder(submissions: Path, kind: str) -> Path:
    """The folder `KIND/NAME` beside the folder NAME of a board's submissions; no other board writes there."""
    place = submissions.resolve() if submissions.name in ("", "..") else submissions
    return place.parent / kind / place.name


def update_runs(
    runs: Path,
    submissions: Path,
    accepted: Sequence[OwnChecks],
    owner: Mapping[str, str],
    outcomes: Mapping[str, Mapping[str, str]],
) -> BoardRuns:
    """Fill the folder with the runs of the accepted submissions, each from its owner.

    Unchanged runs stay as they are, and runs that an earlier build wrote may be removed; any other run raises
    BoardError. `outcomes` of repeated runs, by submission and run, decide which runs count as verified.
    """
    shards = Shards(runs)
    wanted = {
        run.run_id: f"{run.record} {'verified' if _repeated(outcomes, own.name, run.run_id) else 'imported'}"
        for own in accepted
        for run in own.runs
        if owner[run.run_id] == own.name
    }
    before = _written(runs)
    here = {entry.run_id for entry in shards.scan()}
    if foreign := sorted(here - set(before)):
        raise BoardError(f"{runs} holds run {foreign[0]}, which no build of a board wrote; move it to another folder.")
    _write_list(runs, wanted | before)  # first, so that an interrupted build knows its runs
    gone = sorted(here - set(wanted))
    for run_id in gone:
        for path in shards.files(run_id):
            path.unlink()
    new = [run_id for run_id in wanted if run_id not in here or before.get(run_id) != wanted[run_id]]
    rmtree(runs / "difficulty", ignore_errors=True)
    for own in accepted:
        with open_bundle(submissions / own.name / BUNDLE) as bundle:
            _difficulties(runs, bundle)
            for run_id in (run_id for run_id in new if owner[run_id] == own.name):
                _place(runs, run_id, bundle, verified=_repeated(outcomes, own.name, run_id))
    _write_list(runs, wanted)
    added = [run_id for run_id in new if run_id not in here or _record(before, run_id) != _record(wanted, run_id)]
    return BoardRuns(owner, len(added), len(gone))


def _repeated(outcomes: Mapping[str, Mapping[str, str]], name: str, run_id: str) -> bool:
    return outcomes.get(name, {}).get(run_id) in REPRODUCED


def _place(runs: Path, run_id: str, bundle: OpenArchive, *, verified: bool) -> None:
    """Write the files of a run, which were checked, with its origin; the record last, which commits it."""
    stem = f"shards/{run_id[:2]}/{run_id}"
    (runs / stem).parent.mkdir(parents=True, exist_ok=True)
    if (packed := f"{stem}.predictions.safetensors") in bundle.names:
        write_atomically(runs / packed, bundle.read(packed), durable=False)
    record = with_origin(bundle.read(f"{stem}.json"), bundle.root, verified=verified)
    write_atomically(runs / f"{stem}.json", record, durable=False)


def _difficulties(runs: Path, bundle: OpenArchive) -> None:
    """Write the difficulties that no earlier submission has."""
    for name in bundle.names:
        if DIFFICULTY_FILE.fullmatch(name) and not (runs / name).exists():
            (runs / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(runs / name, bundle.read(name), durable=False)


def _written(runs: Path) -> dict[str, str]:
    """What was last written of each run, by run id: the digest of its record, and whether it is verified."""
    path = runs / "board-runs.txt"
    if not path.is_file():
        return {}
    return dict(line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines() if " " in line)


def _record(written: Mapping[str, str], run_id: str) -> str:
    """The digest of a record in a list of `_written`."""
    return written.get(run_id, "").partition(" ")[0]


def _write_list(runs: Path, wanted: Mapping[str, str]) -> None:
    runs.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{run_id} {record}\n" for run_id, record in sorted(wanted.items()))
    write_atomically(runs / "board-runs.txt", text.encode(), durable=False)


@dataclass
class KeptChecks:
    """Checks whose results are stored in the work folder of a board; UsageError for a folder that no board made.

    A result is used again for the same content under the same name, with the same etl-bench and checks, the same data
    folder, and the same custom datasets. `repeated` counts the submissions that were checked.
    """

    work: Path
    data_root: Path | None
    repeated: int = 0
    _used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        check_own_folder(self.work, "--work", marks=(_WORK,), may_force=False)
        self.folder = self.work / "checked"
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.work / _WORK).exists():
            write_output(self.work / _WORK, b'{"format": "clip-etl-bench work folder of a board"}\n')
        self._checks = Checks(self.data_root)
        self._state = _state(self.data_root)

    def own(self, folder: Path) -> OwnChecks:
        """The checks of the submission in a folder, without comparisons to others."""
        try:
            digest = open_submission(folder).digest
        except SubmissionError:
            return self._checks.own(folder)
        key = hashlib.sha256(f"{folder.name} {digest} {self._state}".encode()).hexdigest()[:32]
        path = self.folder / f"{key}.json"
        self._used.add(path.name)
        if (kept := _read(path)) is not None:
            return kept
        self.repeated += 1
        found = self._checks.own(folder)
        write_atomically(path, found.model_dump_json().encode(), durable=False)
        return found

    def reports(self, submissions: Path) -> tuple[list[SubmissionReport], FirstSeen]:
        """The reports on all submissions in a folder, and their order. Stored results of others are deleted."""
        found = [self.own(folder) for folder in submission_folders(submissions)]
        for path in self.folder.glob("*.json"):
            if path.name not in self._used:
                path.unlink()
        seen = first_seen(submissions, found)
        return reports(found, seen), seen


def _read(path: Path) -> OwnChecks | None:
    """A stored result; None if there is none or the file is damaged."""
    try:
        return OwnChecks.model_validate_json(foreign_files.read_bytes(path, LARGEST_JSON))
    except (OSError, ValidationError):
        return None


def _state(data_root: Path | None) -> str:
    """A text that changes with etl-bench, the code of the checks, the data folder, and the custom datasets."""
    folder = Path(submissions.__path__[0])
    code = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()
    patterns = ("*.toml", "*.images.json", "*/bundle.json")
    described = [path for place in custom_folders() for pattern in patterns for path in place.glob(pattern)]
    datasets = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(described)]
    return json.dumps([bench.__version__, code, str(data_root and data_root.resolve()), datasets])
