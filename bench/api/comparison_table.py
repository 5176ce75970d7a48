"""A paired comparison as a table: for terminals, notebooks, JSON and pandas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from bench._util.words import html_table
from bench.api.leaderboard_table import stale_notes

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis import Comparison, Leaderboard, PairedCell

    Pair = tuple[Leaderboard, Comparison]


class ComparisonTable:
    """Two entries on the same images with the same seeds, one comparison per setting. A notebook shows them as tables.

    `pairs` are the board of each setting and the comparison on it.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = tuple(pairs)

    def title(self, pair: Pair) -> str:
        """The setting, and which entry is A and which is B."""
        board, found = pair
        return f"{board.setting.title}: {found.a} (A) against {found.b} (B), percentage points"

    def rows(self, pair: Pair) -> list[dict[str, object]]:
        """One row per dataset and split, then the averages, in percentage points as they are printed."""
        board, found = pair
        averages = [_average(board, found, measure) for measure in found.averages]
        return [_row(cell) for cell in found.cells] + averages

    def to_frame(self) -> pd.DataFrame:
        """The rows of all settings."""
        import pandas as pd

        frames = [pd.DataFrame(self.rows(pair)).assign(**pair[0].setting.facts()) for pair in self.pairs]
        return pd.concat(frames, ignore_index=True)

    def flipped(self, pair: Pair) -> Iterator[str]:
        """A line for every image that only one of the two classifies correctly."""
        for cell in pair[1].cells:
            for seed in cell.seeds:
                for who, names in (("A", seed.only_a), ("B", seed.only_b)):
                    for name in names:
                        yield f"only {who} is right: {cell.dataset} {cell.split} seed {seed.seed} {name}"

    def notes(self) -> list[str]:
        """Datasets that could not be compared, with the reason, and entries whose code changed since their runs."""
        skipped = [f"not compared: {dataset}: {reason}" for _, found in self.pairs for dataset, reason in found.skipped]
        stale = [stale_notes(board, [board.entry(key) for key in (found.a, found.b)]) for board, found in self.pairs]
        return skipped + [note for notes in stale for note in notes]

    def to_json(self) -> list[dict[str, object]]:
        """Plain values of every comparison."""
        return [_plain(board, found) for board, found in self.pairs]

    def _repr_html_(self) -> str:
        return "".join(html_table(self.title(pair), self.rows(pair)) for pair in self.pairs)

    def __str__(self) -> str:
        import pandas as pd

        parts = [f"{self.title(pair)}\n{pd.DataFrame(self.rows(pair)).to_string(index=False)}" for pair in self.pairs]
        return "\n\n".join([*parts, *self.notes()])

    __repr__ = __str__


def _row(cell: PairedCell) -> dict[str, object]:
    only_a, only_b = cell.flipped
    interval = cell.difference
    reach = _interval(interval.low, interval.high)
    return {
        "dataset": cell.dataset,
        "split": cell.split,
        "A": f"{100 * cell.accuracy_a:.2f}",
        "B": f"{100 * cell.accuracy_b:.2f}",
        "A - B": f"{100 * interval.mean:+.2f}",
        "95 %": reach if interval.n_seeds > 1 else f"{reach} (images alone)",
        "verdict": str(cell.verdict),
        "95 % over datasets": "",
        "only A right": only_a,
        "only B right": only_b,
        "seeds": len(cell.seeds),
        "McNemar p, Holm": ", ".join(f"{seed.p_holm:.2g}" for seed in cell.seeds),
    }


def _average(board: Leaderboard, found: Comparison, measure: str) -> dict[str, object]:
    """The row of an average, with the n of N datasets and pairs of runs that it is over."""
    from bench.analysis import why_untested

    test, wider = found.averages[measure], found.other_datasets[measure]
    return {
        "dataset": f"average of {test.groups} of {len(board.averaged)}",
        "split": measure,
        "A - B": f"{100 * test.mean:+.2f}",
        "95 %": _interval(test.low, test.high) or why_untested(test),
        "verdict": str(found.verdict(measure)),
        "95 % over datasets": _interval(wider.low, wider.high),
        "seeds": f"{test.n} of {len(board.averaged) * len(board.seeds)} runs",
    }


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{100 * low:+.2f} to {100 * high:+.2f}"


def _plain(board: Leaderboard, found: Comparison) -> dict[str, object]:
    return {
        "setting": board.setting.facts(),
        "a": found.a,
        "b": found.b,
        "cells": [
            {
                "dataset": cell.dataset,
                "split": cell.split,
                "accuracy_a": cell.accuracy_a,
                "accuracy_b": cell.accuracy_b,
                "difference": vars(cell.difference),
                "seeds": [
                    {
                        "seed": seed.seed,
                        "run_a": seed.run_a,
                        "run_b": seed.run_b,
                        "p": seed.test.p,
                        "p_holm": seed.p_holm,
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
        "other_datasets": {measure: asdict(wider) for measure, wider in found.other_datasets.items()},
        "skipped": [{"dataset": dataset, "reason": reason} for dataset, reason in found.skipped],
    }
