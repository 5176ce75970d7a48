"""Numbers from papers with their sources, and their comparison with our runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench._util.words import counted
from bench.api.options import Opt, Runs
from bench.errors import UsageError
from bench.sweep import parse_numbers, split_list

if TYPE_CHECKING:
    from pandas import DataFrame

    from bench.papers import ReproductionRow

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


def published_uses() -> dict[str, str]:
    """What each method of the ledger sees besides the labelled images, as text."""
    from bench.papers import published_frame, registered

    catalogue = registered()

    def text(method: str) -> str:
        uses = catalogue.method(method).uses
        return "unknown" if uses is None else ", ".join(uses) or "labelled images only"

    return {method: text(method) for method in published_frame()["method"].unique()}


def listed_values(
    column: Annotated[
        str,
        Opt("List the values of one column: method, dataset, protocol, backbone, split or reported_in.", "--list"),
    ],
) -> list[dict[str, object]]:
    """The values of a column of the published numbers (`LISTED_COLUMNS`) with the number of numbers that have each."""
    from bench.papers import published_frame

    if column not in LISTED_COLUMNS:
        raise UsageError(f"--list {column!r} is unknown. Allowed: {', '.join(LISTED_COLUMNS)}.")
    counts = published_frame()[column].value_counts().sort_index()
    return [{column: name, "numbers": int(n)} for name, n in counts.items()]


def reproduction(
    published: DataFrame,
    *,
    margin: Annotated[float, Opt("Percentage points that count as equal.")] = 1.0,
    runs: Runs = "runs",
) -> tuple[list[ReproductionRow], dict[str, int]]:
    """Our runs beside numbers of `published_numbers` of equal training and settings, largest gaps first.

    Returns one row for each cell of our runs, whose accuracies are fractions 0..1, and the number of rows by verdict.
    """
    from bench.analysis import build_leaderboards
    from bench.papers import compare_difficulty, compare_with_published, count_verdicts, published_settings
    from bench.results import fresh_store, no_runs

    if not margin > 0:
        raise UsageError(f"--margin {margin:g} is no positive number of percentage points, such as 1.")
    store = fresh_store(Path(runs))
    frame = store.runs_frame()
    if frame.empty:
        raise UsageError(no_runs(Path(runs)))
    rows = compare_with_published(
        build_leaderboards(frame), published, defaults=published_settings(frame), margin=margin / 100
    )
    rows += compare_difficulty(store.difficulty_frame(), published, margin / 100)
    return list(rows), {str(verdict): count for verdict, count in count_verdicts(rows).items()}


def ledger_table(rows: Sequence[ReproductionRow]) -> list[dict[str, object]]:
    """The rows of `reproduction` as texts: accuracies in per cent, other measures as they are."""
    from bench.analysis import score_texts

    return [
        {
            "entry": row.entry,
            "setting": f"{row.backbone}, {row.protocol}, {counted(row.shots, 'shot')}",
            "dataset": row.dataset,
            "split": _split(row),
            "published": _value(row.published, row),
            "elsewhere": _range(row),
            "ours": _value(row.ours, row),
            "gap": _gap(row),
            "95 %": score_texts.points_interval(row.low, row.high),
            "seeds": row.n,
            "verdict": str(row.verdict),
            "standing": row.standing,
            "sources": f"{len(row.sources)}: {row.sources[0]}",
            "note": row.note,
        }
        for row in rows
    ]


def _value(value: float, row: ReproductionRow) -> str:
    from bench.analysis import score_texts

    return score_texts.decimal(100 * value, 2) if row.measure == "accuracy" else score_texts.decimal(value, 4)


def _gap(row: ReproductionRow) -> str:
    from bench.analysis import score_texts

    return score_texts.points(row.difference) if row.measure == "accuracy" else score_texts.signed(row.difference, 4)


def _range(row: ReproductionRow) -> str:
    ends = [_value(value, row) for value in sorted(row.printed_elsewhere)]
    return " to ".join(dict.fromkeys((ends[0], ends[-1]))) if ends else ""


def _split(row: ReproductionRow) -> str:
    """The split, with the convention of an average H, or the measure of difficulty."""
    if row.measure != "accuracy":
        return row.measure.replace("_", " ")
    return f"{row.split} ({row.convention.replace('_', ' ')})" if row.convention else row.split
