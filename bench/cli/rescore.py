"""`etl-bench rescore`: adds the open score to runs that lack it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_json, print_line, remark

if TYPE_CHECKING:
    from bench.context import RunContext
    from bench.results import Plan, Shards


def rescore(
    chosen: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Run ids, or unique prefixes. Default: all runs without the score."),
    ] = None,
    runs: opt.Runs = opt.DEFAULT_RUNS,
    train: Annotated[bool, typer.Option("--train", help="Train runs again if their model was not kept.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan for each run and change nothing.")] = False,
    backbones: opt.Backbones = [opt.DEMO_BACKBONE],  # noqa: B006
    data_root: opt.DataRoot = None,
    support: opt.Supports = [],  # noqa: B006
    class_text: opt.ClassText = "template",
    device: opt.RecordedDevice = None,
    as_json: opt.AsJson = False,
) -> None:
    """Add the open score to base-to-new runs of older releases.

    Stored predictions contain logits for base or new names only, so the test images are classified again: by the kept
    model, or by repeating a method that needs no training. A run whose model was not kept is trained again with
    --train. The score is added only if the repetition reproduces the stored predictions; nothing else in the run
    changes. Give local weights, support lists and descriptions as they were given to `run`.

    Each run is stored as soon as it is scored, so a repeated command skips it. Exit code: 0 if the score was added to
    every run, 1 otherwise.

    Example: etl-bench rescore --train
    """
    from bench.experiment import model_path
    from bench.results import Shards, plan_open_score, runs_without_open_score
    from bench.sweep import files_by_digest, local_weights, repetition_context
    from datasets_registry import read_support_list
    from methods import parse_class_text

    shards = Shards(runs)
    records = [opt.read_run(shards, text).record for text in chosen] if chosen else runs_without_open_score(shards)
    context = partial(
        repetition_context,
        data_root=data_root,
        weights=local_weights(opt.split_list(backbones)),
        files=files_by_digest([read_support_list(path) for path in support], parse_class_text(class_text)),
        device=device,
    )
    rows = []
    for record in records:
        plan = plan_open_score(record, model_path(runs, record.run_id), train=train)
        outcome, reason = ("to do", "") if plan.route else ("not added", plan.reason)
        if plan.route and not dry_run:
            outcome, reason = _add(shards, plan, context(record), model_path(runs, record.run_id))
        rows.append({"run_id": plan.run_id, "outcome": outcome, "how": str(plan.route or ""), "reason": reason})
        if not as_json:
            how = f", {plan.route}" if plan.route else ""
            print_line(f"{plan.run_id} {outcome}{how}: {plan.label}{f': {reason}' if reason else ''}")
    if as_json:
        print_json(rows)
    counts = Counter(row["outcome"] for row in rows)
    remark(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "No run lacks an open score.")
    raise typer.Exit(1 if counts["not added"] else 0)


def _add(shards: Shards, plan: Plan, context: RunContext, model: Path) -> tuple[str, str]:
    """Score one run and store it; returns the outcome, and the reason where it was not added."""
    from bench.experiment import open_score_by_model, open_score_by_repetition
    from bench.results import Route, with_open_score
    from datasets_registry import BenchError

    stored = opt.read_run(shards, plan.run_id)
    spec = stored.record.spec
    try:
        if plan.route is Route.KEPT_MODEL:
            found = open_score_by_model(spec, model, context)
        else:
            found = open_score_by_repetition(spec, context)
        shard = with_open_score(stored, *found)
    except BenchError as error:
        return "not added", str(error)
    shards.write(shard.record, shard.predictions)
    return "added", ""
