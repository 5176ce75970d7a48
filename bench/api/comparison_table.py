"""A paired comparison as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.api.leaderboard_table import stale_notes
from bench.api.result_table import ResultTable, Rows, TablePart, setting_frame

if TYPE_CHECKING:
    from bench.analysis import Comparison, Leaderboard, MeanTest, PairedCell
    from bench.papers import Catalogue

    Pair = tuple[Leaderboard, Comparison]


SPARE = ("seeds", "right: only A, only B", "B", "A", "runs", "datasets")
"""Columns that a narrow terminal leaves out, the first one first."""

_SAID = {
    "A": "A is better than B", "B": "B is better than A", "inconclusive": "A and B are not told apart",
    "right on the same images": "A and B are right on the same images", "not tested": "the difference is not tested",
}  # fmt: skip
"""The verdicts in words."""
_ALONE = "Intervals of rows are of one dataset; p and verdict are corrected for all datasets (Holm)."


def comparison_table(pairs: Sequence[Pair]) -> ResultTable[Pair]:
    """Two entries on the same images with the same seeds, one table per setting.

    A table has the averages, then one row per dataset and split, in percentage points; the frame has fractions.
    `pairs` are the board of each setting and the comparison on it; the result has them as `source`.
    """
    from bench.papers import registered

    unpaired = [note for _, found in pairs for note in _unpaired(found)]
    skipped = [f"not compared: {dataset}: {reason}" for _, found in pairs for dataset, reason in found.skipped]
    stale = [stale_notes(board, [board.entry(key) for key in (found.a, found.b)]) for board, found in pairs]
    catalogue = registered()
    parts = [
        TablePart(
            _title(board, found, catalogue),
            [_average(board, found, measure) for measure in found.averages],
            [_row(cell, catalogue) for cell in found.cells],
            SPARE,
            partial(_known, board, found),
            detail_notes=[_ALONE, *_power(found)],
        )
        for board, found in pairs
    ]
    return ResultTable(
        pairs,
        parts,
        notes=unpaired + skipped + [note for notes in stale for note in notes],
        json=lambda: [_plain(board, found) for board, found in pairs],
        frame=lambda: setting_frame([(_numbers(found), board.setting.facts()) for board, found in pairs]),
    )


def _unpaired(found: Comparison) -> list[str]:
    """A line about the datasets on which the seeds differ."""
    datasets = dict.fromkeys(cell.dataset for cell in found.cells if not cell.difference.paired)
    if not datasets:
        return []
    names = ", ".join(datasets)
    return [f"unpaired: {names}: A and B have other seeds there, so the noise of the seeds of both adds up"]


def only_one_right(found: Comparison) -> Iterator[str]:
    """A line for every image that only one of the two classifies correctly."""
    for cell in found.cells:
        for seed in cell.seeds:
            for who, names in (("A", seed.only_a), ("B", seed.only_b)):
                for name in names:
                    yield f"only {who} is right: {cell.dataset} {cell.split} seed {seed.seed} {name}"


def _title(board: Leaderboard, found: Comparison, catalogue: Catalogue) -> str:
    a, b = (catalogue.entry_title(entry.method, entry.label) for entry in map(board.entry, (found.a, found.b)))
    return f"{board.setting.title}: {a} (A) minus {b} (B), percentage points"


def _known(board: Leaderboard, found: Comparison) -> str:
    """How many of the pairs of dataset and split have each verdict, then what is known here and elsewhere."""
    counts = Counter("the same answers" if cell.same_answers else _verdict(cell) for cell in found.cells)
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))
    lines = [f"By dataset and split: {verdicts}."] if counts else []
    if board.common is not None:
        grid = f"{counted(len(board.averaged), 'dataset')} and {counted(len(board.seeds), 'seed')}"
        lines.append(f"Compared on the {grid} of the leaderboard.")
    if found.averages:
        lines += [_here(board, found), _elsewhere(found)]
    return "\n".join(lines)


def _here(board: Leaderboard, found: Comparison) -> str:
    """The verdict on these datasets, by the last measure."""
    from bench.analysis import measure_name, score_texts

    measure, test = list(found.averages.items())[-1]
    said = _SAID[found.verdict(measure)]
    n = test.groups
    where = "this dataset" if n == 1 else f"these {n} datasets"
    training = ", with this one training" if found.one_training else ""
    reach = score_texts.points_interval(test.low, test.high)
    beside = f" (95 % {reach}{_allowing(board, found)})" if reach else ""
    return (
        f"Here: {said} in {measure_name(measure)} on {where}{training}: {score_texts.points(test.mean)} points{beside}."
    )


def _allowing(board: Leaderboard, found: Comparison) -> str:
    """What the interval allows for; empty for two methods, where nothing was chosen."""
    compared = {entry.key for entry in board.entries if entry.rankable}
    if not {found.a, found.b} <= compared:
        compared = {entry.key for entry in board.entries}
    if len(compared) == 2:
        return ""
    others = len(compared - {board.baseline})
    return ", of this pair alone" if found.alone else f", widened for {others} methods; --planned leaves that out"


def _elsewhere(found: Comparison) -> str:
    """What is known about datasets of the same kind, by the last measure."""
    from bench.analysis import score_texts
    from reports import few_datasets

    if (wider := found.other_datasets.get(list(found.averages)[-1])) is None:
        return f"Elsewhere: {few_datasets(list(found.averages.values())[-1].groups)}."
    clear = "" if wider.clear else ", not clear"
    reach = score_texts.points_interval(wider.low, wider.high)
    return f"Elsewhere: mean difference on datasets like these {reach}{clear}."


def _verdict(cell: PairedCell) -> str:
    return f"the same answers on all {cell.images} images" if cell.same_answers else _better(str(cell.verdict))


def _better(verdict: str) -> str:
    return f"{verdict} better" if verdict in ("A", "B") else verdict


def _numbers(found: Comparison) -> Rows:
    """One row per average and one per dataset and split; differences and their intervals are fractions."""
    averages: Rows = [
        {"dataset": "average", "split": measure, **_difference(test), "p": test.p}
        | {"verdict": str(found.verdict(measure)), "runs": test.n}
        for measure, test in found.averages.items()
    ]
    return averages + [
        {"dataset": cell.dataset, "split": cell.split, **_difference(cell.difference), "p": cell.p}
        | {"verdict": str(cell.verdict), "runs": cell.difference.n, "a": cell.score_a.mean, "b": cell.score_b.mean}
        | (dict(zip(("only_a", "only_b"), cell.flipped, strict=True)) if cell.seeds else {})
        for cell in found.cells
    ]


def _difference(test: MeanTest) -> dict[str, object]:
    return {"difference": test.mean, "low": test.low, "high": test.high}


def _row(cell: PairedCell, catalogue: Catalogue) -> dict[str, object]:
    from bench.analysis import score_text, score_texts

    only_a, only_b = cell.flipped
    interval = cell.difference
    reach = score_texts.points_interval(interval.low, interval.high)
    return {
        "dataset": catalogue.dataset(cell.dataset).title,
        "split": cell.split,
        "A − B": score_texts.points(interval.mean),
        "95 %": reach if interval.n > 1 else f"{reach} (images alone)",
        "p": "" if cell.p is None else f"{cell.p:.2g}",
        "verdict": _verdict(cell),
        "A": score_text(cell.score_a),
        "B": score_text(cell.score_b),
        "right: only A, only B": f"{only_a}, {only_b}" if cell.seeds else "",
        "seeds": len(cell.seeds) or "unpaired",
    }


def _average(board: Leaderboard, found: Comparison, measure: str) -> dict[str, object]:
    """The row of an average, with the n of N datasets and pairs of runs that it is over."""
    from bench.analysis import measure_name, score_texts, why_untested

    test, wider = found.averages[measure], found.other_datasets.get(measure)
    return {
        "average": measure_name(measure),
        "A − B": score_texts.points(test.mean),
        "95 %": score_texts.points_interval(test.low, test.high) or ("" if test.mean == 0 else why_untested(test)),
        "verdict": _better(str(found.verdict(measure))),
        **({} if wider is None else {"95 % elsewhere": score_texts.points_interval(wider.low, wider.high)}),
        "datasets": f"{test.groups} of {len(board.averaged)}",
        "runs": f"{test.n} of {len(board.averaged) * len(board.seeds)}",
    }


def _power(found: Comparison) -> list[str]:
    """Which difference of the last measure is detected."""
    from bench.analysis import detectable_difference, told_difference

    power = told_difference(detectable_difference(list(found.averages.values())[-1])) if found.averages else ""
    return [f"power: {power}"] if power else []


def _plain(board: Leaderboard, found: Comparison) -> dict[str, object]:
    return {
        "setting": board.setting.facts(),
        "a": found.a,
        "b": found.b,
        "cells": [
            {
                "dataset": cell.dataset,
                "split": cell.split,
                "score_a": asdict(cell.score_a),
                "score_b": asdict(cell.score_b),
                "difference": vars(cell.difference),
                "p": cell.p,
                "verdict": str(cell.verdict),
                "images": cell.images,
                "same_answers": cell.same_answers,
                "seeds": [
                    {
                        "seed": seed.seed,
                        "run_a": seed.run_a,
                        "run_b": seed.run_b,
                        "only_a": seed.only_a,
                        "only_b": seed.only_b,
                    }
                    for seed in cell.seeds
                ],
            }
            for cell in found.cells
        ],
        "expected_datasets": len(board.averaged),
        "expected_runs": len(board.averaged) * len(board.seeds),
        "averages": {measure: vars(test) for measure, test in found.averages.items()},
        "other_datasets": {measure: vars(wider) for measure, wider in found.other_datasets.items()},
        "alone": found.alone,
        "one_training": found.one_training,
        "skipped": [{"dataset": dataset, "reason": reason} for dataset, reason in found.skipped],
    }
