"""`etl-bench compare`: compares two methods on the same images with the same seeds."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.api import Results, load_results, only_one_right
from bench.cli import _options as opt
from bench.cli._options_of import options_of
from bench.cli._print import print_line, print_table, remark


@options_of(load_results, Results.compare)
def compare_command(
    runs: Path,
    images: Annotated[
        bool, typer.Option("--images", help="List the images that only one method classifies correctly.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", help="Also print a row for each dataset and split, and the sources of the noise."),
    ] = False,
    as_json: opt.AsJson = False,
    **options: Any,
) -> None:
    """Compare two methods: mean difference in percentage points and its 95 % interval, on request for each dataset.

    Intervals cover the noise of test images and seeds; with one seed, the images and this one training. Those of
    averages and their verdicts hold for these datasets, and allow for all methods of the leaderboard. From six
    datasets on, a second interval is about the mean over datasets of the same kind.

    Example: etl-bench compare apex coop --shots 16
    """
    table = load_results(runs).compare(**options)
    print_table(table, details=verbose, as_json=as_json)
    if not (verbose or as_json):
        remark("--verbose adds a row for each dataset")
    for _, comparison in table.source if images else ():
        for line in only_one_right(comparison):
            print_line(line)
