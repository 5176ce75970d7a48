"""Recomputes randomly drawn runs of submissions that request it; submitters cannot choose them."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench.bounds import RunId
from bench.extensions.boards.board_runs import LARGEST_BOARD_FILE, REPRODUCED, KeptChecks, board_folder
from bench.extensions.boards.errors import BoardError
from bench.extensions.boards.submissions.check import OwnChecks
from bench.extensions.boards.submissions.submission import BUNDLE
from bench.results import (
    RepetitionVerdict,
    bundle_shard,
    check_verifiable,
    judge_repetition,
    open_bundle,
    write_atomically,
)
from bench.sweep import repetition_context
from datasets_registry import BenchError, foreign_files

VERIFIED = "verified"
"""Folder beside that of the submissions, with one folder for each board."""
SHARE, FEWEST = 0.02, 3
"""Share of the runs of a submission that is drawn, and the fewest runs."""


@dataclass(frozen=True)
class Repeated:
    """One drawn run: its verdict, or the reason why it could not be repeated."""

    submission: str
    run_id: str
    verdict: RepetitionVerdict | None
    problem: str = ""

    @property
    def reproduced(self) -> bool:
        """Whether the repetition agrees bit for bit or within rounding."""
        return self.verdict is not None and self.verdict.outcome in REPRODUCED


def repeat_drawn_runs(
    submissions: Path,
    work: Path,
    secret: str,
    *,
    data_root: Path | None = None,
    names: Sequence[str] = (),
    count: int | None = None,
    weights: Mapping[str, Path] | None = None,
) -> Iterator[Repeated]:
    """Repeat drawn runs, and write `verified/BOARD/NAME.json` after those of each submission.

    Results of other runs of the same content stay in that file.

    Args:
        work: the work folder of the board.
        secret: a text that submitters did not know, such as the commit that merged their submissions.
        names: these submissions, requested or not; by default those that request it and have no results yet.
        count: runs of each submission.
        weights: local weight files by backbone slug.

    Raises BoardError for a name that is not an accepted submission, and for a file of that name that is not a list of
    recomputed runs; UsageError for a work folder that no board made.
    """
    found, _ = KeptChecks(work, data_root).reports(submissions)
    accepted = {report.name: report.own for report in found if report.accepted}
    if unknown := [name for name in names if name not in accepted]:
        raise BoardError(f"{unknown[0]!r} is not an accepted submission. Accepted: {', '.join(accepted) or 'none'}.")
    folder = board_folder(submissions, VERIFIED)
    for name in names or [name for name, own in accepted.items() if _waits(folder, own)]:
        own = accepted[name]
        outcomes = read_verified(folder, own)
        for run_id in draw_runs(own, secret, count):
            done = _repeat(submissions / name / BUNDLE, own, run_id, data_root, weights or {})
            if done.verdict is not None:
                outcomes[run_id] = str(done.verdict.outcome)
            yield done
        if outcomes:
            write_verified(folder, own, secret, outcomes)


def _waits(folder: Path, own: OwnChecks) -> bool:
    return own.facts is not None and own.facts.verify and not read_verified(folder, own)


def _repeat(path: Path, own: OwnChecks, run_id: str, data_root: Path | None, weights: Mapping[str, Path]) -> Repeated:
    from bench.experiment import run_experiment  # imports torch

    with open_bundle(path) as bundle:
        stored = bundle_shard(run_id, bundle, path)
    try:
        check_verifiable(stored.record)
        context = repetition_context(stored, data_root=data_root, weights=dict(weights), files={})
        record, predictions = run_experiment(stored.record.spec, context)
    except BenchError as error:  # a method, dataset or file that is not here
        return Repeated(own.name, run_id, None, str(error))
    return Repeated(own.name, run_id, judge_repetition(stored, record, predictions))


class VerifiedRuns(BaseModel):
    """The content of `verified/<board>/<submission>.json`.

    Args:
        digest: of the submission; results of other content do not count.
        drawn_by: digest of the text that decided which runs were drawn.
        outcomes: `identical`, `rounding`, `different` or `invalid` by run id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    drawn_by: str
    outcomes: dict[RunId, str]


def draw_runs(own: OwnChecks, secret: str, count: int | None = None) -> list[str]:
    """Ids of runs to recompute, by a hash of the submission's content, the text `secret` and the run.

    `count` is their number; the default is two of a hundred runs and at least three.
    """
    if not secret:
        raise BoardError("The runs to recompute need a text that submitters do not know; give it with --secret.")
    number = count or max(FEWEST, math.ceil(SHARE * len(own.runs)))

    def order(run_id: str) -> str:
        return hashlib.sha256(f"{own.digest} {secret} {run_id}".encode()).hexdigest()

    return sorted((run.run_id for run in own.runs), key=order)[:number]


def read_verified(folder: Path, own: OwnChecks) -> dict[str, str]:
    """The outcomes by run id; empty without a file, or if the submission has changed since.

    Raises BoardError for a file that is damaged.
    """
    path = folder / f"{own.name}.json"
    if not path.is_file():
        return {}
    try:
        found = VerifiedRuns.model_validate(foreign_files.read_json(path, LARGEST_BOARD_FILE))
    except (OSError, ValueError) as error:
        raise BoardError(
            f"{path} is not a list of recomputed runs; delete it and verify the submission again."
        ) from error
    if found.digest != own.digest:
        return {}
    known = {run.run_id for run in own.runs}
    return {run: outcome for run, outcome in found.outcomes.items() if run in known}


def write_verified(folder: Path, own: OwnChecks, secret: str, outcomes: dict[str, str]) -> Path:
    """Write the outcomes of a submission and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{own.name}.json"
    drawn_by = hashlib.sha256(secret.encode()).hexdigest()
    found = VerifiedRuns(digest=own.digest, drawn_by=drawn_by, outcomes=outcomes)
    write_atomically(path, found.model_dump_json(indent=1).encode() + b"\n")
    return path
