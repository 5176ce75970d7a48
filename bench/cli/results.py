"""`etl-bench results`: queries the database, exports and imports bundles, and rebuilds the database."""

from pathlib import Path
from typing import Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_facts, print_line, print_rows, records, remark
from bench.results import check_output_file

MOST_COLUMNS = 12
"""Columns of the widest table of a query; a terminal has no room for more."""

results_app = typer.Typer(
    no_args_is_help=True,
    help="Query the results database, rebuild it from the shards, export and import results.",
)


@results_app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One read-only statement, for example: select * from runs limit 5")],
    runs: opt.Runs = opt.DEFAULT_RUNS,
    as_json: opt.AsJson = False,
) -> None:
    """Run one read-only SQL statement on the tables runs, scores, predictions, difficulty and published.

    A row of more than 12 columns is printed as one line per column.
    """
    from bench.api import load_results

    frame = load_results(runs).query(query)
    if not runs.exists():
        remark(f"There is no folder {runs}, so there are no runs, only published numbers.")
    rows, columns = records(frame), [str(name) for name in frame.columns]
    if as_json or len(columns) <= MOST_COLUMNS or not rows:
        print_rows(rows, columns, as_json=as_json)
        return
    for row in rows:
        print_facts(row, as_json=False)
        print_line("")


@results_app.command("export")
def export_runs(
    out: Annotated[Path, typer.Argument(help="File to write, such as mine.zip.")],
    runs: opt.Runs = opt.DEFAULT_RUNS,
    where: opt.Where = None,
) -> None:
    """Write runs with their predictions, difficulties and digests into one file to share."""
    from bench.results import Shards, export_bundle

    check_output_file(out, "The bundle")
    done = export_bundle(Shards(runs), opt.chosen_runs(runs, where), out)
    content = f"{counted(done.runs, 'run')} and {counted(done.difficulties, 'difficulty')}"
    print_line(f"{content}, {done.bytes / 2**20:.1f} MiB in {out}")
    print_line(f"digest of its content: {done.root}")


@results_app.command("import")
def import_runs(
    bundle: Annotated[Path, typer.Argument(help="A file that `results export` wrote.")],
    runs: opt.WrittenRuns = opt.DEFAULT_RUNS,
    data_root: opt.DataRoot = None,
) -> None:
    """Check a bundle, recompute its scores from its predictions and add its runs. A damaged bundle adds nothing.

    Test images and true labels must match the other runs on the task and, if the dataset is on disk, the dataset.
    """
    from bench.boards import import_results
    from bench.results import Shards, fresh_store

    done = import_results(Shards(runs), bundle, data_root=data_root)
    fresh_store(runs)
    added = f"{counted(len(done.added), 'run')} added, {len(done.unchanged)} already known"
    print_line(f"{added}, {counted(done.difficulties, 'difficulty')} added")
    for run_id in done.conflicting:
        remark(f"run {run_id} exists here with another record; ours was kept")


@results_app.command("send")
def send_runs(
    trackers: Annotated[
        list[str], typer.Argument(metavar="TRACKER...", help="mlflow[:URI], wandb[:PROJECT] or trackio[:PROJECT].")
    ],
    runs: opt.Runs = opt.DEFAULT_RUNS,
    where: opt.Where = None,
) -> None:
    """Send finished runs to experiment trackers, as `run --tracker` does while they finish.

    Runs that are already there are not sent again. `etl-bench docs trackers` says what is sent.
    """
    from bench.boards import Result, Sender
    from bench.sweep import Target, check_installed

    targets = [Target.parse(text) for text in dict.fromkeys(trackers)]
    check_installed(targets)
    chosen = opt.chosen_runs(runs, where, completed=True)
    with Sender(runs, targets, remark, patience=None) as sender:
        for run_id in chosen:
            sender.send(run_id)
    for target in targets:
        sent, known = sender.count(target, Result.SENT), sender.count(target, Result.KNOWN)
        print_line(f"{target}: {counted(sent, 'run')} sent, {known} already there")
    if any(sender.missing(target) for target in targets):
        raise typer.Exit(1)


@results_app.command()
def rebuild(runs: opt.Runs = opt.DEFAULT_RUNS) -> None:
    """Rebuild the database from the run shards, which are the source of truth. Any existing database is replaced."""
    from bench.results import Shards, Store

    store = Store(runs)
    loaded = store.rebuild(Shards(runs))
    print_line(f"{counted(loaded.total, 'run')} in {store.path}")
