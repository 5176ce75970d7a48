"""`etl-bench export`: writes leaderboards for papers and spreadsheets."""

from pathlib import Path
from typing import Any

from bench.api import export_leaderboards
from bench.cli import _options as opt
from bench.cli._options_of import options_of
from bench.cli._print import print_line


@options_of(export_leaderboards)
def export_command(runs: Path, **options: Any) -> None:
    """Write leaderboards: csv contains fractions, markdown and latex the numbers of the page.

    Markdown and LaTeX mark the best value of each column and those that may match it on these datasets.
    Results of older code (†) and imported runs that were not verified (‡) are marked in every format. Averages equal
    those of the page: if runs are missing, they cover the datasets and seeds that all methods have. "n of expected"
    counts the runs. csv has six digits, and an apostrophe before text that a spreadsheet would run as a formula. Every
    digit of every run is in the tables that etl-bench runs sql reads.

    --figure draws a picture of the page for a paper instead, without a browser, and prints what it lacks. It needs runs
    of one setting: choose one with --protocol and --shots.

    Example: etl-bench export --format latex -m coop,maple --no-intervals --out table.tex

    Example: etl-bench export --figure map --protocol base-to-new --shots 16 --out map.pdf
    """
    if text := export_leaderboards(runs=opt.runs_to_read(runs), **options):
        print_line(text.rstrip("\n"))
