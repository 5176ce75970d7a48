"""`etl-bench papers`: numbers and claims from papers, and whether our runs agree with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.api import (
    Results,
    ledger_table,
    list_papers,
    listed_values,
    load_results,
    published_numbers,
    published_uses,
    reproduction,
)
from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._groups import LIST, ListsByDefault
from bench.cli._options_of import options_of
from bench.cli._print import print_json, print_rows, print_table, records, remark
from bench.cli.papers_reproduce import reproduce_command

if TYPE_CHECKING:
    from bench.papers import ReproductionRow

_SPARE = ["uses", "note", "url", "recipe", "standing", "shots", "backbone", "protocol", "source"]
"""Columns of published numbers that a narrow terminal leaves out first; the numbers stay."""

papers_app = Commands(
    cls=ListsByDefault,
    help="List papers, reproduce a paper's tables, print published numbers, or test claims on the runs.",
)


@papers_app.command(LIST)
def _list_command(as_json: opt.AsJson = False) -> None:
    """List the papers whose tables and figures `papers reproduce` knows."""
    print_rows(list_papers(), as_json=as_json)


papers_app.command("reproduce")(reproduce_command)


@papers_app.command("published")
@options_of(published_numbers, listed_values, reproduction)
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

    Example: etl-bench papers published -m coop,apex -d eurosat --protocol base-to-new

    Example: etl-bench papers published --ledger
    """
    if column is not None:
        print_rows(listed_values(column), as_json=as_json)
        return
    chosen = published_numbers(**options)
    if ledger:
        _print_ledger(*reproduction(chosen, margin=margin, runs=runs), as_json=as_json)
        return
    rows = records(chosen)
    if as_json:
        print_json(rows)
        return
    uses = published_uses()
    for row in rows:
        row["source"] = f"{row['reported_in']}, {row['source_table']}"
        row["uses"] = uses[str(row["method"])]
        row["method"] = f"{row['method']} [{row['variant']}]" if row["variant"] else row["method"]
        if row["metric"] != "accuracy":
            row["split"] = str(row["metric"]).replace("_", " ")
    columns = ["method", "dataset", "split", "printed", "source", "uses", "protocol", "backbone", "shots", "standing"]
    print_rows(rows, [*columns, "recipe", "url", "note"], spare=_SPARE)
    remark(f"{len(rows)} published numbers; numbers copied from another paper are not independent")


@papers_app.command("claims")
@options_of(load_results, Results.claims)
def _claims(runs: Path, as_json: opt.AsJson = False, **options: Any) -> None:
    """Test each claim on the runs: supported, not supported here, inconclusive or not tested.

    Each verdict has its effect, n and 95 % interval. The shipped claims are the observations and the main result of
    the APEX paper. Effects are differences over these datasets, tested with the noise of seeds and test images. Each
    claim is tested at 5 %: p tests against its threshold and is not adjusted for the number of claims. Runs with the
    demo's recipe train too briefly and give no verdict.
    """
    print_table(load_results(runs).claims(**options), as_json=as_json)


def _print_ledger(rows: Sequence[ReproductionRow], counts: Mapping[str, int], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    if rows:
        print_rows(ledger_table(rows))
        remark(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    else:
        remark(
            "no run matches a published number in method, protocol, backbone, shots and dataset; `etl-bench papers "
            "reproduce PAPER TABLE` makes the runs of a paper's table"
        )
