"""`etl-bench claims`: tests statements about methods on the runs."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_json, print_rows


def claims(
    runs: opt.Runs = opt.DEFAULT_RUNS,
    file: Annotated[Path | None, typer.Option("--file", help="Claims as TOML. Default: the shipped claims.")] = None,
    easy: opt.Easy = [],  # noqa: B006
    hard: opt.Hard = [],  # noqa: B006
    as_json: opt.AsJson = False,
) -> None:
    """Test each claim on the runs: supported, refuted, inconclusive or not tested, with effect, n and 95 % interval.

    The shipped claims are the observations and the main result of the APEX paper. Effects are differences over these
    datasets, tested with the noise of seeds and test images. p tests against the claim's threshold and is not adjusted
    for the number of claims.
    """
    from bench.api import load_results

    found = load_results(runs).claims(file, easy=opt.split_list(easy), hard=opt.split_list(hard))
    if as_json:
        print_json(found.results)
        return
    rows = found.rows()
    print_rows(rows, None if rows else ["claim"])
