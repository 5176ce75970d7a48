"""Recomputes randomly drawn runs of submissions that request it; submitters cannot choose them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from bench.api import options
from bench.extensions.boards.errors import BoardError
from bench.extensions.boards.publishing import SUBMISSIONS
from bench.sweep import DEMO_BACKBONE, split_list
from datasets_registry import BenchError

if TYPE_CHECKING:
    from bench.extensions.boards.check import SubmissionReport
    from bench.results import RepetitionVerdict

SHARE, FEWEST = 0.02, 3
"""Share of the runs of a submission that is drawn, and the fewest runs."""


def verify_board(
    submissions: Annotated[Path, SUBMISSIONS],
    secret: Annotated[str, options.Opt("Text that submitters could not know, such as the hash of the merge commit.")],
    *,
    names: Annotated[
        Sequence[str], options.Opt("Verify this one, even if it did not request it. Repeatable.", "--submission")
    ] = (),
    count: Annotated[
        int | None, options.Opt("Runs per submission. Default: 2 %, at least three.", "--runs", min=1)
    ] = None,
    data_root: options.DataRoot = None,
    backbones: Annotated[Sequence[str], options.Opt(field="backbones")] = (DEMO_BACKBONE,),
) -> Iterator[tuple[str, str, RepetitionVerdict | BenchError]]:
    """Repeat drawn runs, and write `verified/BOARD/NAME.json` after those of each submission.

    Results of other runs of the same content stay in that file.

    Args:
        names: these submissions, requested or not; by default those that request it and have no results yet.

    Returns:
        The submission, the run id, and the verdict or the reason why the run could not be repeated here, one after the
        other.

    Raises BoardError for a name that is not an accepted submission, and for a file of that name that is not a list of
    recomputed runs.
    """
    from bench.extensions.boards.check import Checks
    from bench.extensions.boards.repeated_runs import read_repeated, repeated_folder, write_repeated
    from bench.extensions.boards.submission import BUNDLE, submission_folders
    from bench.sweep import local_weights

    weights, folder = local_weights(split_list(backbones)), repeated_folder(submissions)
    with TemporaryDirectory() as runs:
        checks = Checks(Path(runs), data_root, folder)
        reports = [checks.add(item) for item in submission_folders(submissions)]
    accepted = {report.name: report for report in reports if report.accepted}
    if unknown := [name for name in split_list(names) if name not in accepted]:
        raise BoardError(f"{unknown[0]!r} is not an accepted submission. Accepted: {', '.join(accepted) or 'none'}.")
    waiting = [name for name, report in accepted.items() if report.facts and report.facts.verify]
    for name in split_list(names) or [name for name in waiting if not accepted[name].repeated]:
        report = accepted[name]
        outcomes = read_repeated(folder, name, report.digest)
        for run_id in draw_runs(report, secret, count):
            verdict = _repeat(submissions / name / BUNDLE, run_id, data_root, weights)
            if not isinstance(verdict, BenchError):
                outcomes[run_id] = str(verdict.outcome)
            yield name, run_id, verdict
        if outcomes:
            write_repeated(folder, name, report.digest, secret, outcomes)


def _repeat(
    bundle_path: Path, run_id: str, data_root: Path | None, weights: Mapping[str, Path]
) -> RepetitionVerdict | BenchError:
    from bench.experiment import run_experiment  # imports torch
    from bench.results import check_verifiable, judge_repetition, open_bundle
    from bench.sweep import repetition_context

    with open_bundle(bundle_path) as bundle:
        stored = bundle.shard(run_id)
    try:
        check_verifiable(stored.record)
        context = repetition_context(stored, data_root=data_root, weights=dict(weights), files={})
        record, predictions = run_experiment(stored.record.spec, context)
    except BenchError as error:  # a method, dataset or file that is not here
        return error
    return judge_repetition(stored, record, predictions)


def draw_runs(report: SubmissionReport, secret: str, count: int | None = None) -> list[str]:
    """Ids of runs to recompute, by a hash of the submission's content, the text `secret` and the run.

    `count` is their number; the default is two of a hundred runs and at least three.
    """
    if not secret:
        raise BoardError("The runs to recompute need a text that submitters do not know; give it with --secret.")

    def order(run_id: str) -> str:
        return hashlib.sha256(f"{report.digest} {secret} {run_id}".encode()).hexdigest()

    number = count or max(FEWEST, math.ceil(SHARE * len(report.methods)))
    return sorted(report.methods, key=order)[:number]
