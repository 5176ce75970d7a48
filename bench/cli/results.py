"""`etl-bench results`: questions to the database, and building it anew."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import _options as opt

results_app = typer.Typer(no_args_is_help=True, help="Ask the results database, or build it anew from the shards.")


@results_app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One reading statement, for example: select * from runs limit 5")],
    runs: opt.Runs = opt.DEFAULT_RUNS,
    as_json: opt.AsJson = False,
) -> None:
    """Answer one SQL statement over the tables runs, scores, predictions, difficulty and published; never writes."""
    from bench.cli._print import print_rows
    from bench.store import fresh_store

    frame = fresh_store(runs).query(query)
    columns = [str(name) for name in frame.columns]
    values = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    print_rows([dict(zip(columns, row, strict=True)) for row in values], columns, as_json=as_json)


@results_app.command()
def rebuild(runs: opt.Runs = opt.DEFAULT_RUNS) -> None:
    """Build the database anew from the run shards, which are the truth; a newer or damaged one is replaced."""
    from bench.cli._print import print_line
    from bench.shards import Shards
    from bench.store import Store

    store = Store(runs)
    loaded = store.rebuild(Shards(runs))
    print_line(f"{loaded.total} runs in {store.path}")
