"""`etl-bench results`: SQL queries, bundles to share, and rebuilding the database."""

from pathlib import Path
from typing import Annotated

import typer

from bench._util.counted import counted
from bench._util.output_paths import check_output_file
from bench.cli import _options as opt
from bench.cli._print import print_line, print_rows, records, remark
from bench.errors import BundleError

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
    """Run one read-only SQL statement over the tables runs, scores, predictions, difficulty and published."""
    from bench.store import fresh_store

    frame = fresh_store(runs).query(query)
    if not runs.exists():
        remark(f"There is no folder {runs}, so there are no runs, only published numbers.")
    print_rows(records(frame), [str(name) for name in frame.columns], as_json=as_json)


@results_app.command("export")
def export_runs(
    out: Annotated[Path, typer.Argument(help="File to write, such as mine.zip.")],
    runs: opt.Runs = opt.DEFAULT_RUNS,
    where: Annotated[
        str | None, typer.Option("--where", help="Only runs that satisfy this SQL condition: \"method = 'coop'\".")
    ] = None,
) -> None:
    """Write runs with their predictions, difficulties and digests into one file to share."""
    from bench.results.bundle import export_bundle
    from bench.results.shards import Shards
    from bench.store import fresh_store

    check_output_file(out, "The bundle")
    condition = "true" if where is None else where
    chosen = fresh_store(runs).query(f"SELECT run_id FROM runs WHERE {condition} ORDER BY run_id")["run_id"].tolist()
    if not chosen:
        raise BundleError(f"No run in {runs} fits{'' if where is None else f' {where!r}'}, so nothing was written.")
    done = export_bundle(Shards(runs), chosen, out)
    content = f"{counted(done.runs, 'run')} and {counted(done.difficulties, 'difficulty')}"
    print_line(f"{content}, {done.bytes / 2**20:.1f} MiB in {out}")
    print_line(f"root {done.root}")


@results_app.command("import")
def import_runs(
    bundle: Annotated[Path, typer.Argument(help="A file that `results export` wrote.")],
    runs: opt.WrittenRuns = opt.DEFAULT_RUNS,
    data_root: opt.DataRoot = None,
) -> None:
    """Check a bundle, recompute its scores from its predictions and add its runs. A damaged bundle is refused whole.

    Test images and true labels must be those of the other runs on the task and, where they are on disk, of the data.
    """
    from bench.results.shards import Shards
    from bench.store import fresh_store, import_results

    done = import_results(Shards(runs), bundle, data_root=data_root)
    fresh_store(runs)
    added = f"{counted(len(done.added), 'run')} added, {len(done.unchanged)} already known"
    print_line(f"{added}, {counted(done.difficulties, 'difficulty')} added")
    for run_id in done.conflicting:
        remark(f"run {run_id} exists here with another record; ours was kept")


@results_app.command()
def rebuild(runs: opt.Runs = opt.DEFAULT_RUNS) -> None:
    """Rebuild the database from the run shards, which are the source of truth. Any existing database is replaced."""
    from bench.results.shards import Shards
    from bench.store import Store

    store = Store(runs)
    loaded = store.rebuild(Shards(runs))
    print_line(f"{counted(loaded.total, 'run')} in {store.path}")
