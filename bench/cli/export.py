"""`etl-bench export`: writes leaderboards for papers and spreadsheets."""

from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import typer

from bench.api import export_leaderboards
from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._options_of import options_of
from bench.cli._print import print_line
from bench.extension import outputs

export_app = Commands(invoke_without_command=True)


@export_app.callback()
@options_of(export_leaderboards, *map(resolve_name, outputs("export").values()))
def export(context: typer.Context, runs: Path, **options: Any) -> None:
    """Write leaderboards: csv and parquet contain fractions, markdown and latex the numbers of the page.

    Markdown and LaTeX mark the best value of each column and those that may match it on these datasets.
    Results of older code (†) and imported runs that were not verified (‡) are marked in every format. Averages equal
    those of the page: if runs are missing, they cover the datasets and seeds that all methods have. "n of expected"
    counts the runs. Parquet contains every digit and the run ids, csv six digits. In csv, an apostrophe precedes text
    that a spreadsheet would run as a formula. In parquet, shots is null and support is all for runs on all training
    images.

    hf writes one model card per entry, with `model-index` metadata that the Hugging Face Hub reads. hf-results writes
    one folder per entry with the file `.eval_results/clip-etl-bench.yaml` for a model repository, and `eval.yaml` for
    the benchmark's repository.

    --figure draws a picture of the page for a paper instead, without a browser, and prints what it lacks. It needs runs
    of one setting: choose one with --protocol and --shots.

    Example: etl-bench export --format latex -m coop,maple --no-intervals --out table.tex

    Example: etl-bench export --figure map --protocol base-to-new --shots 16 --out map.pdf
    """
    if context.invoked_subcommand is not None:
        return
    text, files = export_leaderboards(runs=opt.runs_to_read(runs), **options)
    for path in files:
        print_line(str(path))
    if text:
        print_line(text.rstrip("\n"))
