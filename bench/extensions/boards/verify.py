"""Recomputes randomly drawn runs of submissions that request it; submitters cannot choose them."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.extensions.boards.check import Checks, SubmissionReport
from bench.extensions.boards.errors import SubmissionError
from bench.extensions.boards.repeated_runs import REPRODUCED, read_repeated, repeated_folder, write_repeated
from bench.extensions.boards.submission import BUNDLE, submission_folders
from bench.results import RepetitionVerdict, check_verifiable, judge_repetition, open_bundle
from bench.sweep import repetition_context
from datasets_registry import BenchError

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
        secret: a text that submitters did not know, such as the commit that merged their submissions.
        names: these submissions, requested or not; by default those that request it and have no results yet.
        count: runs of each submission.
        weights: local weight files by backbone slug.

    Raises SubmissionError for a name that is not an accepted submission, and for a file of that name that is not a list
    of recomputed runs.
    """
    folder = repeated_folder(submissions)
    with TemporaryDirectory() as runs:
        checks = Checks(Path(runs), data_root, folder)
        reports = [checks.add(item) for item in submission_folders(submissions)]
    accepted = {report.name: report for report in reports if report.accepted}
    if unknown := [name for name in names if name not in accepted]:
        raise SubmissionError(
            f"{unknown[0]!r} is not an accepted submission. Accepted: {', '.join(accepted) or 'none'}."
        )
    waiting = [name for name, report in accepted.items() if report.facts and report.facts.verify]
    for name in names or [name for name in waiting if not accepted[name].repeated]:
        report = accepted[name]
        outcomes = read_repeated(folder, name, report.digest)
        for run_id in draw_runs(report, secret, count):
            done = _repeat(submissions / name / BUNDLE, name, run_id, data_root, weights or {})
            if done.verdict is not None:
                outcomes[run_id] = str(done.verdict.outcome)
            yield done
        if outcomes:
            write_repeated(folder, name, report.digest, secret, outcomes)


def _repeat(path: Path, name: str, run_id: str, data_root: Path | None, weights: Mapping[str, Path]) -> Repeated:
    from bench.experiment import run_experiment  # imports torch

    with open_bundle(path) as bundle:
        stored = bundle.shard(run_id)
    try:
        check_verifiable(stored.record)
        context = repetition_context(stored, data_root=data_root, weights=dict(weights), files={})
        record, predictions = run_experiment(stored.record.spec, context)
    except BenchError as error:  # a method, dataset or file that is not here
        return Repeated(name, run_id, None, str(error))
    return Repeated(name, run_id, judge_repetition(stored, record, predictions))


def draw_runs(report: SubmissionReport, secret: str, count: int | None = None) -> list[str]:
    """Ids of runs to recompute, by a hash of the submission's content, the text `secret` and the run.

    `count` is their number; the default is two of a hundred runs and at least three.
    """
    if not secret:
        raise SubmissionError("The runs to recompute need a text that submitters do not know; give it with --secret.")

    def order(run_id: str) -> str:
        return hashlib.sha256(f"{report.digest} {secret} {run_id}".encode()).hexdigest()

    number = count or max(FEWEST, math.ceil(SHARE * len(report.methods)))
    return sorted(report.methods, key=order)[:number]
