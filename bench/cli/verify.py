"""`etl-bench verify`: recomputes stored runs and compares them bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_json, print_line, print_rows, remark

if TYPE_CHECKING:
    from bench.results import Difference, Verdict

ROUNDING = 4
"""Exit code if runs differ only by rounding, on another kind of device."""


def verify(
    chosen: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run ids, or unique prefixes.")],
    runs: opt.Runs = opt.DEFAULT_RUNS,
    backbones: opt.Backbones = [opt.DEMO_BACKBONE],  # noqa: B006
    data_root: opt.DataRoot = None,
    support: opt.Supports = [],  # noqa: B006
    class_text: opt.ClassText = "template",
    device: opt.RecordedDevice = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads of torch. Default: as in the run.")
    ] = None,
    eval_batch: Annotated[
        int | None, typer.Option("--eval-batch", min=1, help="Test images per batch. Default: as in the run.")
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Recompute stored runs from the images, without the cache, and compare bit for bit.

    Give local weights, support lists and descriptions as they were given to `run` (-b ARCH=FILE, --support,
    --class-text). The verdict is identical, rounding, different or invalid. A stored run is invalid if its test images,
    true labels or columns cannot come from its data. Another kind of device than that of the run can agree only within
    rounding. Exit code: 0 all are identical, 1 some runs differ, 2 wrong usage, 4 runs differ only by rounding, on
    another kind of device.

    Example: etl-bench verify 3f2a 91c0
    """
    from bench.errors import UsageError
    from bench.results import Outcome, Shards, check_verifiable, note_verified, verdict
    from bench.sweep import exported_threads, files_by_digest, local_weights, repetition_context
    from datasets_registry import read_support_list
    from methods import parse_class_text

    exported = exported_threads()
    if None not in (threads, exported) and threads != exported:
        raise UsageError(
            f"--threads {threads} contradicts OMP_NUM_THREADS={exported} in the environment; give the same number, or "
            "unset the variable."
        )
    shards = Shards(runs)
    found = []
    for text in chosen:
        stored = opt.read_run(shards, text)
        check_verifiable(stored.record)
        found.append(stored)
    weights = local_weights(opt.split_list(backbones))
    files = files_by_digest([read_support_list(path) for path in support], parse_class_text(class_text))
    contexts = [
        repetition_context(
            stored.record,
            data_root=data_root,
            weights=weights,
            files=files,
            device=device,
            threads=threads,
            eval_batch=eval_batch,
        )
        for stored in found
    ]
    from bench.experiment import run_experiment  # imports torch, which the checks above do not need

    verdicts, elsewhere = [], set[str]()
    for stored, context in zip(found, contexts, strict=True):
        made = stored.record.provenance
        if exported is not None and threads is None and exported != made.threads:
            remark(
                f"{stored.record.run_id}: uses the run's {made.threads} threads, not OMP_NUM_THREADS={exported}; "
                f"use --threads {exported} to change this"
            )
        repeated, predictions = run_experiment(stored.record.spec, context)
        verdicts.append(verdict(stored, repeated, predictions))
        if repeated.provenance.device_class != made.device_class:
            elsewhere.add(stored.record.run_id)
            remark(
                f"{stored.record.run_id}: made on {made.device_class} and repeated on "
                f"{repeated.provenance.device_class}, so it can agree only within rounding"
            )
        if verdicts[-1].outcome in (Outcome.IDENTICAL, Outcome.ROUNDING):
            note_verified(runs, stored.record.run_id)
        if not as_json:
            _say(verdicts[-1])
    if as_json:
        print_json(
            [_row(one) | {"causes": [_cause(item) for item in one.causes], "faults": one.faults} for one in verdicts]
        )
    elif len(verdicts) > 1:
        print_rows([_row(one) for one in verdicts])
    raise typer.Exit(_exit_code(verdicts, elsewhere))


def _exit_code(verdicts: list[Verdict], elsewhere: set[str]) -> int:
    """`elsewhere` are the ids of runs that were repeated on another kind of device."""
    unequal = [one for one in verdicts if one.outcome != "identical"]
    if not unequal:
        return 0
    return ROUNDING if all(one.outcome == "rounding" and one.run_id in elsewhere for one in unequal) else 1


def _row(one: Verdict) -> dict[str, object]:
    return {
        "run_id": one.run_id,
        "outcome": one.outcome,
        "images": one.compared,
        "flips": one.flips,
        "largest_logit_difference": one.largest_logit_difference,
    }


def _cause(item: Difference) -> dict[str, object]:
    return {"what": item.cause, "name": item.name, "stored": item.a, "now": item.b}


def _say(one: Verdict) -> None:
    print_line(
        f"{one.run_id}: {one.outcome}; {one.flips} of {one.compared} images predicted differently, logits differ by at "
        f"most {one.largest_logit_difference:.2g}"
    )
    for fault in one.faults:
        remark(f"{one.run_id}: {fault}")
    for item in one.causes if one.outcome != "identical" else ():
        remark(f"{one.run_id}: {item.cause} {item.name}: {item.a} then, {item.b} now")
