"""Recomputes randomly drawn runs of submissions that request it; submitters cannot choose them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.extensions.boards.board_runs import (
    REPRODUCED,
    VERIFIED,
    KeptChecks,
    draw_runs,
    read_verified,
    write_verified,
)
from bench.extensions.boards.errors import BoardError
from bench.extensions.boards.submissions.check import OwnChecks
from bench.extensions.boards.submissions.submission import BUNDLE
from bench.results import RepetitionVerdict, bundle_shard, check_verifiable, judge_repetition, open_bundle
from bench.sweep import repetition_context
from datasets_registry import BenchError


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
    """Repeat drawn runs, and write `verified/NAME.json` after those of each submission.

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
    folder = submissions.parent / VERIFIED
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
