"""`etl-bench published`: prints numbers from papers with their sources, and compares our runs with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._groups import SHOW, ShowsByDefault
from bench.cli._print import percent_interval, print_json, print_line, print_rows, records, remark
from bench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

_LISTED = ("method", "dataset", "protocol", "backbone", "split", "reported_in")


published_app = typer.Typer(
    cls=ShowsByDefault, help="Print published numbers (`etl-bench published -m coop`), or add a paper's table."
)


@published_app.command(SHOW)
def published(
    methods: Annotated[list[str] | None, typer.Option("-m", "--methods", help="Methods, comma-separated.")] = None,
    datasets: Annotated[
        list[str] | None, typer.Option("-d", "--datasets", help="Datasets, or average, easy, challenge.")
    ] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help="Such as base-to-new or zero-shot.")] = None,
    backbone: Annotated[str | None, typer.Option("-b", "--backbone", help="As arch.tag: ViT-B-16.openai.")] = None,
    shots: Annotated[str | None, typer.Option("--shots", help="Such as 16 or 1,4,16.")] = None,
    splits: Annotated[list[str] | None, typer.Option("--splits", help="base, new, H, all or target.")] = None,
    listed: Annotated[
        str | None, typer.Option("--list", help=f"List the values of one column: {', '.join(_LISTED)}.")
    ] = None,
    ledger: Annotated[bool, typer.Option("--ledger", help="Compare our runs with the published numbers.")] = False,
    margin: Annotated[float, typer.Option("--margin", help="Percentage points that count as equal.")] = 1.0,
    runs: opt.Runs = opt.DEFAULT_RUNS,
    as_json: opt.AsJson = False,
) -> None:
    """Print published numbers in per cent as printed, each with its source. None was measured here.

    --ledger compares our runs with numbers of equal protocol, backbone, shots, dataset and split, largest gaps first.
    A number is reproduced if two one-sided tests place our mean within the margin, not reproduced if our whole 95 %
    interval lies outside the margin, and under-powered otherwise.

    Examples: etl-bench published -m coop,apex -d eurosat --protocol base-to-new; etl-bench published --ledger
    """
    from bench.papers import published_frame, select

    frame = published_frame()
    if listed is not None:
        if listed not in _LISTED:
            raise UsageError(f"--list {listed!r} is unknown. Allowed: {', '.join(_LISTED)}.")
        counts = frame[listed].value_counts().sort_index()
        print_rows([{listed: name, "numbers": int(n)} for name, n in counts.items()], as_json=as_json)
        return
    chosen = select(
        frame,
        methods=opt.split_list(methods or []),
        datasets=opt.split_list(datasets or []),
        protocol=protocol,
        backbone=backbone,
        shots=opt.parse_numbers(shots, "--shots") if shots else (),
        splits=opt.split_list(splits or []),
    )
    if ledger:
        _print_ledger(runs, chosen, margin / 100, as_json=as_json)
        return
    rows = records(chosen)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        row["source"] = f"{row['reported_in']}, {row['source_table']}"
        row["method"] = f"{row['method']} [{row['variant']}]" if row["variant"] else row["method"]
    print_rows(rows, ["method", "protocol", "backbone", "shots", "dataset", "split", "printed", "source", "note"])
    remark(f"{len(rows)} published numbers; numbers copied from another paper are not independent")


@published_app.command("add")
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="A paper's table as CSV.")],
    write: Annotated[
        bool, typer.Option("--write", help="Also copy the file into the checkout of this package, for a pull request.")
    ] = False,
) -> None:
    """Check a paper's table for the ledger: its source, cells, averages, and overlap with the ledger.

    The file has the columns reported_in, source_table, url, method, variant, label, protocol, backbone, shots, split,
    metric and paper, and one per dataset; `average` is the printed mean. Averages and H are recomputed, which also
    shows which H the paper averages. Numbers that contradict them or other tables are listed, and kept as printed. Exit
    code: 0 the table can be added, 1 it cannot.

    Example: etl-bench published add our-paper.csv --write
    """
    from bench.papers import add_table, check_table

    found = check_table(file)
    for text in found.problems:
        print_line(f"problem: {text}")
    for text in found.notes:
        print_line(f"note: {text}")
    if found.problems:
        raise typer.Exit(1)
    print_line(f"{counted(found.numbers, 'number')} can be added")
    if write:
        print_line(str(add_table(file)))


def _print_ledger(runs: Path, published: pd.DataFrame, margin: float, *, as_json: bool) -> None:
    from bench.analysis import build_leaderboards
    from bench.papers import compare_with_published, count_verdicts, published_settings
    from bench.results import fresh_store

    frame = fresh_store(runs).runs_frame()
    defaults = published_settings(frame)
    rows = compare_with_published(build_leaderboards(frame), frame, published, defaults=defaults, margin=margin)
    if as_json:
        print_json(rows)
        return
    table = [
        {
            "entry": row.entry,
            "setting": f"{row.backbone}, {row.protocol}, {counted(row.shots, 'shot')}",
            "dataset": row.dataset,
            "split": row.split,
            "published": f"{100 * row.published:.2f}",
            "ours": f"{100 * row.ours:.2f}",
            "gap": f"{100 * row.difference:+.2f}",
            "95 %": percent_interval(row.low, row.high),
            "seeds": row.n,
            "verdict": str(row.verdict),
            "needs": row.seeds_needed,
            "sources": f"{len(row.sources)}: {row.sources[0]}",
            "note": row.note,
        }
        for row in rows
    ]
    if table:
        print_rows(table)
        remark(", ".join(f"{count} {verdict}" for verdict, count in count_verdicts(rows).items()))
    else:
        remark("no run matches a published number in method, protocol, backbone, shots and dataset")
