"""A paired comparison as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench._util.words import counted
from bench.api.leaderboards import stale_notes
from bench.score_texts import points, points_interval, score_text
from bench.table import Column, Row, Table, Tables

if TYPE_CHECKING:
    from bench.analysis import Comparison, Leaderboard, MeanTest, PairedCell
    from bench.papers import Catalogue

SPARE = ("seeds", "right: only A, only B", "B", "A", "runs", "datasets")
"""Columns that a narrow terminal leaves out, the first one first."""

_SAID = {
    "A": "A is better than B", "B": "B is better than A", "inconclusive": "A and B are not told apart",
    "with the same images right": "A and B are right on the same images", "not tested": "the difference is not tested",
}  # fmt: skip
"""The verdicts in words."""
_ALONE = "Intervals of rows are of one dataset; p and verdict are corrected for all datasets (Holm)."


def comparison_tables(pairs: Sequence[tuple[Leaderboard, Comparison]]) -> Tables:
    """Two entries on the same images with the same seeds, one table per setting.

    A table has the averages, and its details have one row per dataset and split; values are fractions. `pairs` are the
    board of each setting and the comparison on it, which are the `source` of its table.
    """
    from bench.papers import registered

    catalogue = registered()
    return Tables(_table(board, comparison, catalogue) for board, comparison in pairs)


def _table(board: Leaderboard, comparison: Comparison, catalogue: Catalogue) -> Table:
    entries = [board.entry(key) for key in (comparison.a, comparison.b)]
    a, b = (catalogue.entry_title(entry.method, entry.label) for entry in entries)
    skipped = [f"not compared: {dataset}: {reason}" for dataset, reason in comparison.skipped]
    datasets = Table(
        [_of_dataset(cell) for cell in comparison.cells],
        [
            Column("dataset", lambda row: catalogue.dataset(row["dataset"]).title),
            "split",
            Column("A − B", lambda row: points(row["difference"])),
            Column("95 %", lambda row: f"{_reach(row)}{'' if row['runs'] > 1 else ' (images alone)'}"),
            Column("p", lambda row: "" if row["p"] is None else f"{row['p']:.2g}"),
            Column("verdict", _verdict),
            Column("A", lambda row: _score(row, "a")),
            Column("B", lambda row: _score(row, "b")),
            Column("right: only A, only B", lambda row: f"{row['only_a']}, {row['only_b']}" if row["seeds"] else ""),
            Column("seeds", lambda row: row["seeds"] or "unpaired"),
        ],
        spare=SPARE,
        setting=board.setting.facts(),
        below=lambda: "\n".join([_ALONE, *_power(comparison)]),
    )
    elsewhere = Column("95 % elsewhere", lambda row: _reach(row, "elsewhere_"))
    return Table(
        [_average(board, comparison, measure) for measure in comparison.averages],
        [
            Column("average", lambda row: _measure_name(row["split"])),
            Column("A − B", lambda row: points(row["difference"])),
            Column("95 %", lambda row: _reach(row) or _why_untested(comparison.averages[row["split"]])),
            Column("verdict", lambda row: _better(row["verdict"])),
            *([elsewhere] if comparison.other_datasets else []),
            Column("datasets", lambda row: f"{row['datasets']} of {row['expected_datasets']}"),
            Column("runs", lambda row: f"{row['runs']} of {row['expected_runs']}"),
        ],
        f"{board.setting.title}: {a} (A) minus {b} (B), percentage points",
        notes=[*_unpaired(comparison), *skipped, *stale_notes(board, entries)],
        spare=SPARE,
        setting=board.setting.facts(),
        facts=lambda: _facts(board, comparison),
        details=datasets if comparison.cells else None,
        below=lambda: _known(board, comparison),
        source=(board, comparison),
    )


def _average(board: Leaderboard, comparison: Comparison, measure: str) -> dict[str, object]:
    """The row of an average, with the number of datasets and pairs of runs that it is over."""
    test, wider = comparison.averages[measure], comparison.other_datasets.get(measure)
    row: dict[str, object] = {"dataset": "average", "split": measure}
    row |= {"difference": test.mean, "low": test.low, "high": test.high, "p": test.p}
    row |= {"verdict": str(comparison.verdict(measure)), "runs": test.n, "datasets": test.groups}
    row |= {"expected_runs": len(board.averaged) * len(board.seeds), "expected_datasets": len(board.averaged)}
    return row | ({"elsewhere_low": wider.low, "elsewhere_high": wider.high} if wider else {})


def _of_dataset(cell: PairedCell) -> dict[str, object]:
    """The row of a dataset and split; without common seeds no images are compared one by one."""
    test = cell.difference
    row: dict[str, object] = {"dataset": cell.dataset, "split": cell.split}
    row |= {"difference": test.mean, "low": test.low, "high": test.high, "p": cell.p}
    row |= {"verdict": str(cell.verdict), "runs": test.n}
    for name, score in (("a", cell.score_a), ("b", cell.score_b)):
        row |= {name: score.mean, f"{name}_low": score.low, f"{name}_high": score.high}
    row |= dict(zip(("only_a", "only_b"), cell.flipped if cell.seeds else (None, None), strict=True))
    return row | {"seeds": len(cell.seeds), "images": cell.images, "same_answers": cell.same_answers}


def _verdict(row: Row) -> str:
    return f"the same answers on all {row['images']} images" if row["same_answers"] else _better(row["verdict"])


def _reach(row: Row, of: str = "") -> str:
    return points_interval(row.get(f"{of}low"), row.get(f"{of}high"))


def _why_untested(test: MeanTest) -> str:
    from bench.analysis import why_untested

    return why_untested(test) if test.mean else ""


def _score(row: Row, name: str) -> str:
    return score_text(row[name], row[f"{name}_low"], row[f"{name}_high"])


def _better(verdict: str) -> str:
    return f"{verdict} better" if verdict in ("A", "B") else verdict


def _measure_name(measure: str) -> str:
    from bench.analysis import measure_name

    return measure_name(measure)


def _unpaired(comparison: Comparison) -> list[str]:
    """A line about the datasets on which the seeds differ."""
    datasets = dict.fromkeys(cell.dataset for cell in comparison.cells if not cell.difference.paired)
    noise = "A and B have other seeds there, so the noise of the seeds of both adds up"
    return [f"unpaired: {', '.join(datasets)}: {noise}"] if datasets else []


def only_one_right(comparison: Comparison) -> Iterator[str]:
    """A line for every image that only one of the two classifies correctly."""
    for cell in comparison.cells:
        for seed in cell.seeds:
            for who, names in (("A", seed.only_a), ("B", seed.only_b)):
                for name in names:
                    yield f"only {who} is right: {cell.dataset} {cell.split} seed {seed.seed} {name}"


def _known(board: Leaderboard, comparison: Comparison) -> str:
    """How many of the pairs of dataset and split have each verdict, then what is known here and elsewhere."""
    cells = comparison.cells
    counts = Counter(_better(str(cell.verdict)) for cell in cells)
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))
    lines = [f"By dataset and split: {verdicts}."] if counts else []
    if board.common is not None:
        grid = f"{counted(len(board.averaged), 'dataset')} and {counted(len(board.seeds), 'seed')}"
        lines.append(f"Compared on the {grid} of the leaderboard.")
    if comparison.averages:
        lines += [_here(board, comparison), _elsewhere(comparison)]
    return "\n".join(lines)


def _here(board: Leaderboard, comparison: Comparison) -> str:
    """The verdict on these datasets, by the last measure."""
    measure, test = list(comparison.averages.items())[-1]
    answer, reach = _SAID[comparison.verdict(measure)], points_interval(test.low, test.high)
    where = "this dataset" if test.groups == 1 else f"these {test.groups} datasets"
    training = ", with this one training" if comparison.one_training else ""
    beside = f" (95 % {reach}{_allowing(board, comparison)})" if reach else ""
    return f"Here: {answer} in {_measure_name(measure)} on {where}{training}: {points(test.mean)} points{beside}."


def _allowing(board: Leaderboard, comparison: Comparison) -> str:
    """What the interval allows for; empty for two methods, where nothing was chosen."""
    compared = {entry.key for entry in board.entries if entry.rankable}
    if not {comparison.a, comparison.b} <= compared:
        compared = {entry.key for entry in board.entries}
    if len(compared) == 2:
        return ""
    if comparison.alone:
        return ", of this pair alone"
    return f", allowing for {len(compared - {board.baseline})} methods; --planned leaves that out"


def _elsewhere(comparison: Comparison) -> str:
    """What is known about datasets of the same kind, by the last measure."""
    from reports import few_datasets

    measure, test = list(comparison.averages.items())[-1]
    if (wider := comparison.other_datasets.get(measure)) is None:
        return f"Elsewhere: {few_datasets(test.groups)}."
    clear = "" if wider.clear else ", not clear"
    return f"Elsewhere: mean difference on datasets like these {points_interval(wider.low, wider.high)}{clear}."


def _power(comparison: Comparison) -> list[str]:
    """Which difference of the last measure is detected."""
    from bench.analysis import detectable_difference, told_difference

    tests = list(comparison.averages.values())
    power = told_difference(detectable_difference(tests[-1])) if tests else ""
    return [f"power: {power}"] if power else []


def _facts(board: Leaderboard, comparison: Comparison) -> dict[str, Any]:
    """What JSON has of a comparison."""
    return asdict(comparison) | {
        "setting": board.setting.facts(),
        "cells": [
            asdict(cell) | {"same_answers": cell.same_answers, "verdict": cell.verdict} for cell in comparison.cells
        ],
        "expected_datasets": len(board.averaged),
        "expected_runs": len(board.averaged) * len(board.seeds),
        "skipped": [{"dataset": dataset, "reason": reason} for dataset, reason in comparison.skipped],
    }
