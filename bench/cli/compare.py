"""`etl-bench compare`: compares two methods on the same images with the same seeds."""

from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_line, print_table


def compare(
    a: Annotated[str, typer.Argument(help="A method by name or title, or an entry: 'coop [n_ctx=4]'.")],
    b: Annotated[str, typer.Argument(help="The other method or entry.")],
    runs: opt.Runs = opt.DEFAULT_RUNS,
    protocol: opt.Protocol = None,
    shots: opt.Shots = [],  # noqa: B006
    backbone: Annotated[str | None, typer.Option("--backbone", help="Only this backbone, as arch.tag.")] = None,
    images: Annotated[
        bool, typer.Option("--images", help="List the images that only one method classifies correctly.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", help="Also print a row for each dataset and split, and the sources of the noise."),
    ] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Compare two methods: mean difference in percentage points and its 95 % interval, on request for each dataset.

    Intervals resample test images and seeds together; with one seed they resample the images only. The average is
    tested with the noise of seeds and test images; its verdict applies to these datasets. The interval over datasets
    applies to other datasets of the same kind.

    Example: etl-bench compare apex coop --shots 16
    """
    from bench.api import load_results, only_one_right

    table = load_results(runs).compare(a, b, protocol=protocol, shots=opt.shot_counts(shots), backbone=backbone)
    print_table(table, details=verbose, as_json=as_json)
    for _, found in table.source if images and not as_json else ():
        for line in only_one_right(found):
            print_line(line)
