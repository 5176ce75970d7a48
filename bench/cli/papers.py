"""`etl-bench papers`: numbers and claims from papers, and whether our runs agree with them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bench.api import (
    Results,
    ledger_table,
    list_papers,
    listed_values,
    load_results,
    published_numbers,
    published_summary,
    published_table,
)
from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._groups import LIST, ListsByDefault
from bench.cli._options_of import options_of
from bench.cli._print import print_table
from bench.cli.papers_reproduce import reproduce_command

papers_app = Commands(
    cls=ListsByDefault,
    help="List papers, reproduce a paper's tables, print published numbers, or test claims on the runs.",
)


@papers_app.command(LIST)
def _list_command(as_json: opt.AsJson = False) -> None:
    """List the papers whose tables and figures `papers reproduce` knows."""
    print_table(list_papers(), as_json=as_json)


papers_app.command("reproduce")(reproduce_command)


@papers_app.command("published")
@options_of(published_numbers, listed_values, ledger_table)
def published(
    column: str | None = None,
    *,
    margin: float,
    runs: Path,
    ledger: Annotated[bool, typer.Option("--ledger", help="Compare our runs with the published numbers.")] = False,
    as_json: opt.AsJson = False,
    **options: Any,
) -> None:
    """Print published numbers in per cent as printed, each with its source. None was measured here.

    --ledger compares our runs with numbers of equal method, training, backbone, shots, dataset and split, largest gaps
    first: one number for each, from the method's own paper or official code if the ledger has it. `elsewhere` is the
    range of what other tables print, whatever their training, without a verdict. A number is reproduced if two
    one-sided tests place our mean within the margin, not reproduced if our whole 95 % interval lies outside the margin,
    and under-powered otherwise.

    Without a choice of numbers, it prints how many each protocol has.

    Example: etl-bench papers published -m coop,apex -d eurosat --protocol base-to-new

    Example: etl-bench papers published --ledger
    """
    if column is not None:
        print_table(listed_values(column), as_json=as_json)
        return
    chosen = published_numbers(**options)
    if not ledger and not as_json and not any(options.values()):
        print_table(published_summary(chosen))
        return
    table = ledger_table(chosen, margin=margin, runs=runs) if ledger else published_table(chosen)
    print_table(table, as_json=as_json)


@papers_app.command("claims")
@options_of(load_results, Results.claims)
def _claims(runs: Path, as_json: opt.AsJson = False, **options: Any) -> None:
    """Test each claim on the runs: supported, not supported here, inconclusive or not tested.

    Each verdict has its effect, n and 95 % interval. The shipped claims are the observations and the main result of
    the APEX paper. Effects are differences over these datasets, tested with the noise of seeds and test images. Each
    claim is tested at 5 %: p tests against its threshold and is not adjusted for the number of claims. Runs with the
    demo's recipe, or on synthetic datasets alone, give no verdict.
    """
    print_table(load_results(runs).claims(**options), as_json=as_json)
