"""Numbers from papers with their sources, and their comparison with our runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench._util.words import counted
from bench.api.options import Opt, Runs
from bench.errors import UsageError
from bench.score_texts import decimal, points, points_interval, signed
from bench.sweep import parse_numbers, split_list
from bench.table import Column, Row, Table

if TYPE_CHECKING:
    from pandas import DataFrame

LISTED_COLUMNS = ("method", "dataset", "protocol", "backbone", "split", "reported_in")
"""Columns of the published numbers whose values can be listed."""


def published_numbers(
    *,
    methods: Annotated[Sequence[str], Opt("Methods, comma-separated.", "-m")] = (),
    datasets: Annotated[Sequence[str], Opt("Datasets, or average, easy, challenge.", "-d")] = (),
    protocol: Annotated[str | None, Opt("Such as base-to-new or zero-shot.")] = None,
    backbone: Annotated[str | None, Opt("As arch.tag: ViT-B-16.openai.", "-b")] = None,
    shots: Annotated[str | Sequence[int], Opt("Such as 16 or 1,4,16.", numbers=True)] = (),
    splits: Annotated[Sequence[str], Opt("base, new, H, all or target.")] = (),
) -> DataFrame:
    """Published numbers in per cent as printed, each with its source; none was measured here.

    What is not given selects everything. Raises UsageError for a value that no number has.
    """
    from bench.papers import published_frame, select

    return select(
        published_frame(),
        methods=split_list(methods),
        datasets=split_list(datasets),
        protocol=protocol,
        backbone=backbone,
        shots=parse_numbers(shots, "--shots") if isinstance(shots, str) else shots,
        splits=split_list(splits),
    )


def published_table(numbers: DataFrame) -> Table:
    """Numbers of `published_numbers` with the source of each; addresses and conditions are in the rows alone."""

    def split(row: Row) -> str:
        return row["split"] if row["metric"] == "accuracy" else str(row["metric"]).replace("_", " ")

    without_nan = numbers.astype(object).where(numbers.notna(), None)
    rows = [{str(name): value for name, value in row.items()} for row in without_nan.to_dict("records")]
    columns: list[Column | str] = [
        Column("printed", lambda row: f"{row['printed']}{'' if row['likely'] is None else ' (misprint)'}"),
        Column("method", lambda row: f"{row['method']} [{row['variant']}]" if row["variant"] else row["method"]),
        "dataset",
        Column("split", split),
        *("protocol", "backbone", "shots"),
        Column("source", lambda row: f"{row['reported_in']}, {row['source_table']}"),
    ]
    note = (
        f"{len(numbers)} published numbers; numbers copied from another paper are not independent. Fewer with -d, "
        "--protocol, --backbone, --shots or --splits; --json has the address and the conditions of each."
    )
    return Table(rows, columns, notes=[note], spare=("shots", "backbone", "protocol"))


def published_summary(numbers: DataFrame) -> Table:
    """How many numbers, methods, datasets and publications each protocol has."""
    rows = [
        {"protocol": name, "numbers": len(part), **{what: part[column].nunique() for what, column in _COUNTED.items()}}
        for name, part in numbers.groupby("protocol", sort=True)
    ]
    note = "Choose numbers with -m, -d, --protocol, --backbone, --shots or --splits; --json has all of them."
    return Table(rows, notes=[note])


_COUNTED = {"methods": "method", "datasets": "dataset", "backbones": "backbone", "publications": "reported_in"}


def listed_values(
    column: Annotated[
        str,
        Opt("List the values of one column: method, dataset, protocol, backbone, split or reported_in.", "--list"),
    ],
) -> Table:
    """The values of a column of the published numbers (`LISTED_COLUMNS`) with the number of numbers that have each."""
    from bench.papers import published_frame

    if column not in LISTED_COLUMNS:
        raise UsageError(f"--list {column!r} is unknown. Allowed: {', '.join(LISTED_COLUMNS)}.")
    counts = published_frame()[column].value_counts().sort_index()
    return Table([{column: name, "numbers": int(n)} for name, n in counts.items()])


def ledger_table(
    published: DataFrame,
    *,
    margin: Annotated[float, Opt("Percentage points that count as equal.")] = 1.0,
    runs: Runs = "runs",
) -> Table:
    """Our runs beside numbers of `published_numbers` of equal training and settings, largest gaps first.

    One row for each cell of our runs, whose accuracies are fractions 0..1.
    """
    from bench.analysis import build_leaderboards
    from bench.papers import compare_with_published, count_verdicts
    from bench.results import fresh_store, no_runs

    if not margin > 0:
        raise UsageError(f"--margin {margin:g} is no positive number of percentage points, such as 1.")
    store = fresh_store(Path(runs))
    frame = store.runs_frame()
    if frame.empty:
        raise UsageError(no_runs(Path(runs)))
    boards, difficulty = build_leaderboards(frame), store.difficulty_frame()
    rows = compare_with_published(boards, published, difficulty=difficulty, margin=margin / 100)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in count_verdicts(rows).items())
    none = (
        "no run matches a published number in method, protocol, backbone, shots and dataset; `etl-bench papers "
        "reproduce PAPER TABLE` makes the runs of a paper's table"
    )
    return Table([vars(row) for row in rows], _LEDGER, notes=[verdicts if rows else none], source=tuple(rows))


def _value(value: float, row: Row) -> str:
    """Accuracies in per cent, other measures as they are."""
    return decimal(100 * value, 2) if row["measure"] == "accuracy" else decimal(value, 4)


def _elsewhere(row: Row) -> str:
    ends = [_value(value, row) for value in sorted(row["printed_elsewhere"])]
    return " to ".join(dict.fromkeys((ends[0], ends[-1]))) if ends else ""


def _gap(row: Row) -> str:
    gap = row["ours"] - row["published"]
    return points(gap) if row["measure"] == "accuracy" else signed(gap, 4)


def _split(row: Row) -> str:
    """The split, with the convention of an average H, or the measure of difficulty."""
    if row["measure"] != "accuracy":
        return str(row["measure"]).replace("_", " ")
    return f"{row['split']} ({row['convention'].replace('_', ' ')})" if row["convention"] else str(row["split"])


_LEDGER = (
    "entry",
    Column("setting", lambda row: f"{row['backbone']}, {row['protocol']}, {counted(row['shots'], 'shot')}"),
    "dataset",
    Column("split", _split),
    Column("published", lambda row: _value(row["published"], row)),
    Column("elsewhere", _elsewhere),
    Column("ours", lambda row: _value(row["ours"], row)),
    Column("gap", _gap),
    Column("95 %", lambda row: points_interval(row["low"], row["high"])),
    Column("seeds", lambda row: row["n"]),
    Column("verdict", lambda row: str(row["verdict"])),
    "standing",
    Column("sources", lambda row: f"{len(row['sources'])}: {row['sources'][0]}"),
    "note",
)
