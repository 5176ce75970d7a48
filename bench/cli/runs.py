"""`etl-bench runs`: shows and verifies stored runs, queries the database, and shares runs as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from bench._util.words import counted
from bench.api import (
    VerifiedRun,
    export_runs,
    import_runs,
    query_runs,
    rebuild_database,
    runs_table,
    stored_run,
    verify_runs,
)
from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._groups import LIST, SHOW, ListsByDefault
from bench.cli._options_of import options_of
from bench.cli._print import print_facts, print_json, print_line, print_rows, print_table, records, remark

MOST_COLUMNS = 12
"""Columns of the widest table of a query; a terminal has no room for more."""
ROUNDING = 4
"""Exit code if runs differ only by rounding, on another kind of device."""

runs_app = Commands(
    cls=ListsByDefault,
    help="List, show and verify stored runs, query their database, and export and import them.",
)


@runs_app.command(LIST)
@options_of(runs_table)
def _list_command(as_json: opt.AsJson = False, **options: Any) -> None:
    """List the runs of a folder, the oldest first.

    Example: etl-bench runs list --where "status = 'failed'"
    """
    print_table(runs_table(**options), as_json=as_json)


@runs_app.command(SHOW)
@options_of(stored_run)
def _show(as_json: opt.AsJson = False, **options: Any) -> None:
    """Show one run: spec, scores, cost, provenance, and the traceback if it failed."""
    run = stored_run(**options)
    if as_json:
        print_json(run.record.model_dump(mode="json"))
        return
    print_facts(run.facts, as_json=False)
    if run.scores:
        print_rows(run.scores)
    if run.open:
        print_facts(run.open, as_json=False)
    if (error := run.record.error) is not None:
        print_line(f"{error.kind}: {error.message}\n\n{error.traceback}")


@runs_app.command("verify")
@options_of(verify_runs)
def _verify(as_json: opt.AsJson = False, **options: Any) -> None:
    """Recompute stored runs from the images, without the cache, and compare bit for bit.

    Give local weights, support lists, descriptions and a teacher as they were given to `run` (-b ARCH=FILE, --support,
    --class-text, --teacher). The verdict is identical, rounding, different or invalid. A stored run is invalid if its
    test images, true labels or columns cannot come from its data. Another kind of device than that of the run can agree
    only within rounding. Exit code: 0 all are identical, 1 some runs differ, 2 wrong usage, 4 runs differ only by
    rounding, on another kind of device.

    Example: etl-bench runs verify 3f2a 91c0
    """
    verified = []
    for run in verify_runs(**options):
        verified.append(run)
        for note in run.notes:
            remark(note)
        if not as_json:
            _say(run)
    if as_json:
        print_json([_row(run) | _causes(run) for run in verified])
    elif len(verified) > 1:
        print_rows([_row(run) for run in verified])
    raise typer.Exit(_exit_code(verified))


def _exit_code(verified: list[VerifiedRun]) -> int:
    unequal = [run for run in verified if run.verdict.outcome != "identical"]
    if not unequal:
        return 0
    return ROUNDING if all(run.verdict.outcome == "rounding" and run.elsewhere for run in unequal) else 1


def _row(run: VerifiedRun) -> dict[str, object]:
    return {
        "run_id": run.verdict.run_id,
        "outcome": run.verdict.outcome,
        "images": run.verdict.compared,
        "flips": run.verdict.flips,
        "largest_logit_difference": run.verdict.largest_logit_difference,
    }


def _causes(run: VerifiedRun) -> dict[str, object]:
    causes = [{"name": name, "stored": stored, "now": now} for name, (stored, now) in run.verdict.causes.items()]
    return {"causes": causes, "faults": run.verdict.faults}


def _say(verified: VerifiedRun) -> None:
    verdict = verified.verdict
    print_line(
        f"{verdict.run_id}: {verdict.outcome}; {verdict.flips} of {verdict.compared} images predicted differently, "
        f"logits differ by at most {verdict.largest_logit_difference:.2g}"
    )
    for fault in verdict.faults:
        remark(f"{verdict.run_id}: {fault}")
    for name, (stored, now) in verdict.causes.items() if verdict.outcome != "identical" else ():
        remark(f"{verdict.run_id}: {name}: {stored} then, {now} now")


@runs_app.command("sql")
@options_of(query_runs)
def sql(query: str, runs: Path, as_json: opt.AsJson = False) -> None:
    """Run one read-only SQL statement on the tables runs, scores, predictions, difficulty and published.

    A row of more than 12 columns is printed as one line per column.
    """
    frame = query_runs(query, runs)
    if not runs.exists():
        remark(f"There is no folder {runs}, so there are no runs, only published numbers.")
    rows, columns = records(frame), [str(name) for name in frame.columns]
    if as_json or len(columns) <= MOST_COLUMNS or not rows:
        print_rows(rows, columns, as_json=as_json)
        return
    for row in rows:
        print_facts(row, as_json=False)
        print_line("")


@runs_app.command("rebuild")
@options_of(rebuild_database)
def rebuild(**options: Any) -> None:
    """Rebuild the database from the run shards, which are the source of truth. Any existing database is replaced."""
    count, path = rebuild_database(**options)
    print_line(f"{counted(count, 'run')} in {path}")


@runs_app.command("export")
@options_of(export_runs)
def _export_command(out: Path, **options: Any) -> None:
    """Write runs with their predictions, difficulties and digests into one file to share."""
    exported = export_runs(out, **options)
    content = f"{counted(exported.runs, 'run')} and {counted(exported.difficulties, 'difficulty')}"
    print_line(f"{content}, {exported.bytes / 2**20:.1f} MiB in {out}")
    print_line(f"digest of its content: {exported.root}")


@runs_app.command("import")
@options_of(import_runs)
def import_command(**options: Any) -> None:
    """Check a bundle, recompute its scores from its predictions and add its runs. A damaged bundle adds nothing.

    Test images and true labels must match the other runs on the task and, if the dataset is on disk, the dataset.
    """
    imported = import_runs(**options)
    added = f"{counted(len(imported.added), 'run')} added, {len(imported.unchanged)} already known"
    print_line(f"{added}, {counted(imported.difficulties, 'difficulty')} added")
    for run_id in imported.conflicting:
        remark(f"run {run_id} exists here with another record; ours was kept")
