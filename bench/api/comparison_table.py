"""A paired comparison as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.api.leaderboard_table import stale_notes
from bench.api.result_table import ResultTable, Rows, TablePart, interval_text, setting_frame

if TYPE_CHECKING:
    from bench.analysis import Comparison, Leaderboard, PairedCell
    from bench.papers import Catalogue

    Pair = tuple[Leaderboard, Comparison]


SPARE = ("seeds", "only A right", "only B right", "B", "A", "runs", "datasets")
"""Columns that a narrow terminal leaves out, the first one first."""


def comparison_table(pairs: Sequence[Pair]) -> ResultTable[Pair]:
    """Two entries on the same images with the same seeds, one table per setting.

    A table has the averages, then one row per dataset and split, in percentage points. `pairs` are the board of each
    setting and the comparison on it; the result has them as `source`.
    """
    from bench.papers import registered

    unpaired = [note for _, found in pairs for note in _unpaired(found)]
    skipped = [f"not compared: {dataset}: {reason}" for _, found in pairs for dataset, reason in found.skipped]
    equality = [_equality(found) for _, found in pairs]
    limits = [_limits(board, found) for board, found in pairs]
    stale = [stale_notes(board, [board.entry(key) for key in (found.a, found.b)]) for board, found in pairs]
    catalogue = registered()
    parts = [
        TablePart(
            _title(board, found, catalogue),
            [_average(board, found, measure) for measure in found.averages],
            [_row(cell, catalogue) for cell in found.cells],
            SPARE,
            partial(_counts, found),
            detail_notes=_noise(found),
        )
        for board, found in pairs
    ]
    return ResultTable(
        pairs,
        parts,
        notes=unpaired + skipped + [note for notes in (*limits, *equality, *stale) for note in notes],
        json=lambda: [_plain(board, found) for board, found in pairs],
        frame=lambda: setting_frame(
            [
                ([*part.rows, *_named(part.details, found)], board.setting.facts())
                for part, (board, found) in zip(parts, pairs, strict=True)
            ]
        ),
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


def _counts(found: Comparison) -> str:
    """How many of the pairs of dataset and split have each verdict."""
    counts = Counter("the same answers" if cell.same_answers else _verdict(cell) for cell in found.cells)
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))
    return f"By dataset and split: {verdicts}."


def _verdict(cell: PairedCell) -> str:
    return f"the same answers on all {cell.images} images" if cell.same_answers else _better(str(cell.verdict))


def _better(verdict: str) -> str:
    return f"{verdict} better" if verdict in ("A", "B") else verdict


def _named(rows: Rows, found: Comparison) -> Rows:
    """Printed rows with the names of the datasets in place of their titles."""
    return [row | {"dataset": cell.dataset} for row, cell in zip(rows, found.cells, strict=True)]


def _row(cell: PairedCell, catalogue: Catalogue) -> dict[str, object]:
    from bench.analysis import score_text

    only_a, only_b = cell.flipped
    interval = cell.difference
    reach = interval_text(interval.low, interval.high)
    return {
        "dataset": catalogue.dataset(cell.dataset).title,
        "split": cell.split,
        "A - B": _points(interval.mean),
        "95 %": reach if interval.n > 1 else f"{reach} (images alone)",
        "p": "" if cell.p is None else f"{cell.p:.2g}",
        "verdict": _verdict(cell),
        "A": score_text(cell.score_a, 1),
        "B": score_text(cell.score_b, 1),
        "only A right": only_a if cell.seeds else "",
        "only B right": only_b if cell.seeds else "",
        "seeds": len(cell.seeds) or "unpaired",
    }


def _points(difference: float) -> str:
    """A difference in points; a zero has no minus sign."""
    text = f"{100 * difference:+.2f}"
    return text.replace("-", "+") if text == "-0.00" else text


def _average(board: Leaderboard, found: Comparison, measure: str) -> dict[str, object]:
    """The row of an average, with the n of N datasets and pairs of runs that it is over."""
    from bench.analysis import measure_name, paired_average

    test, wider = found.averages[measure], found.other_datasets.get(measure)
    return {
        "average": measure_name(measure),
        "A - B": _points(test.mean),
        "95 %": interval_text(test.low, test.high) or ("" if test.mean == 0 else paired_average.why_untested(test)),
        "verdict": _better(str(found.verdict(measure))),
        **({} if wider is None else {"95 % elsewhere": interval_text(wider.low, wider.high)}),
        "datasets": f"{test.groups} of {len(board.averaged)}",
        "runs": f"{test.n} of {len(board.averaged) * len(board.seeds)}",
    }


def _equality(found: Comparison) -> list[str]:
    """How likely it is that A and B are equal in practice, by the last measure."""
    from bench.analysis import EQUAL_MARGIN, equivalence_probability, measure_name

    if not found.averages:
        return []
    measure = list(found.averages)[-1]
    if (equal := equivalence_probability(found.averages[measure])) is None:
        return []
    chance = f"{100 * equal:.0f} % probability that the true difference in {measure_name(measure)}"
    return [f"{chance} is below {100 * EQUAL_MARGIN:.0f} point"]


def _limits(board: Leaderboard, found: Comparison) -> list[str]:
    """What the intervals allow for, and what they do not cover."""
    from bench.analysis import FEWEST_ELSEWHERE

    ranked = sum(entry.rankable for entry in board.entries)
    alone = "Intervals of averages are of this pair alone."
    together = f"Intervals of averages are widened for the leaderboard's {ranked} methods; --planned leaves that out."
    notes = [alone if found.alone else together] if ranked > 2 else []
    if found.one_training:
        notes.append("Methods were trained once: this holds for these images, with this one training.")
    if len(board.averaged) < FEWEST_ELSEWHERE:
        notes.append(f"{counted(len(board.averaged), 'dataset')} cannot tell about others.")
    return notes


def _noise(found: Comparison) -> list[str]:
    """The noise of the average difference, its sources, and what one more seed would buy, by the last measure."""
    from bench.analysis import measure_name, noise_of

    if not found.averages:
        return []
    measure = list(found.averages)[-1]
    noise = noise_of(found.averages[measure])
    if noise is None:
        return []
    parts = f"{100 * noise.seeds:.0f} % of its variance from seeds, {100 * noise.images:.0f} % from test images"
    more = f"one more seed gives {100 * noise.more_seeds:.2f}"
    return [f"noise: standard error of {measure_name(measure)} {100 * noise.error:.2f} points ({parts}); {more}"]


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
