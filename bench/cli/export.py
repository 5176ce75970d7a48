"""`etl-bench export`: writes leaderboards for papers and spreadsheets."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._print import print_line

export_app = Commands(invoke_without_command=True)


@export_app.callback()
def export(
    context: typer.Context,
    form: Annotated[str, typer.Option("--format", help="csv, parquet, markdown, latex, hf or hf-results.")] = "csv",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File to write, or the folder for hf and hf-results. parquet needs it too."),
    ] = None,
    runs: opt.WrittenRuns = opt.DEFAULT_RUNS,
    protocol: opt.Protocol = None,
    shots: opt.Shots = [],  # noqa: B006
    benchmark: Annotated[
        str | None, typer.Option("--benchmark", help="Dataset repository of the benchmark, OWNER/NAME, for hf-results.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source-url", help="Web page of the leaderboard, for hf-results.")
    ] = None,
    by_dataset: Annotated[bool, typer.Option("--by-dataset", help="One row per dataset instead of averages.")] = False,
    convention: opt.Convention = "mean_of_h",
    force: opt.Force = False,
) -> None:
    """Write leaderboards: csv and parquet contain fractions, markdown and latex the numbers of the page.

    Markdown and LaTeX mark the best value of each column and the values that do not differ significantly from it.
    Results of older code (†) and imported runs that were not verified (‡) are marked in every format. Averages equal
    those of the page: if runs are missing, they cover the datasets and seeds that all methods have. "n of expected"
    counts the runs. Parquet contains every digit and the run ids, csv six digits. In csv, an apostrophe precedes text
    that a spreadsheet would run as a formula. In parquet, shots is null and support is all for runs on all training
    images.

    hf writes one model card per entry, with `model-index` metadata that the Hugging Face Hub reads. hf-results writes
    one folder per entry with the file `.eval_results/clip-etl-bench.yaml` for a model repository, and `eval.yaml` for
    the benchmark's repository.

    Example: etl-bench export --format latex --out table.tex
    """
    from bench.api import export_leaderboards

    if context.invoked_subcommand is not None:
        return
    text, files = export_leaderboards(
        form,
        out,
        runs=opt.runs_to_read(runs),
        protocol=protocol,
        shots=opt.shot_counts(shots),
        by_dataset=by_dataset,
        convention=convention,
        benchmark=benchmark,
        source=source,
        force=force,
    )
    for path in files:
        print_line(str(path))
    if text:
        print_line(text.rstrip("\n"))
