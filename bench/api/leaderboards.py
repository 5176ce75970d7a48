"""Leaderboards for people: the tables with the answer of each board, and warnings about its runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.table import Column, Row, Score, Table, Tables

if TYPE_CHECKING:
    from bench.analysis import Entry, Leaderboard, Verdict
    from reports.views import OverviewView


GROUPS = ("easy", "medium", "hard")
"""Columns of the means on groups of datasets by difficulty, which follow the mean over all of them."""
FIRST = 3
"""Columns up to that mean: rank, method and mean."""
MOST_STALE = 3
"""Entries with runs of other code that a note names."""


def leaderboard_tables(
    boards: Sequence[tuple[Leaderboard, Mapping[str, Verdict]]],
    overview: Callable[[Leaderboard, Mapping[str, Verdict]], OverviewView],
    titles: Callable[[Leaderboard], Mapping[str, str]],
    *,
    costs: bool = True,
) -> Tables:
    """Rankings, one per backbone, protocol, shots and draw, each with its answer below the rows.

    Args:
        boards: the rankings with their verdicts by measure; each is the `source` of its table.
        overview: the answer of a board.
        titles: names of the entries of a board.
        costs: show parameters and training times.
    """
    from bench.analysis import leaderboard_table

    def table(board: Leaderboard, verdicts: Mapping[str, Verdict]) -> Table:
        view = overview(board, verdicts)
        plain = leaderboard_table(board, verdicts, titles(board), costs=costs)
        columns = list(plain.columns or ())
        columns[FIRST:FIRST] = _group_columns(view)
        return replace(
            plain,
            columns=columns,
            spare=(*plain.spare, *GROUPS),
            notes=list(_notes(board)),
            below=lambda: _answer(view),
            picture=lambda: _picture(view),
        )

    return Tables(table(board, verdicts) for board, verdicts in boards)


def _group_columns(view: OverviewView) -> list[Column]:
    """The means on the easy, medium and hard datasets; none if the difficulty is not known."""
    measure = view.table.measures[-1]

    def on_group(names: Sequence[str], row: Row) -> Score | None:
        means = [view.table.mean(row["entry"], name, measure) for name in names]
        present = [mean for mean in means if mean is not None]
        return Score.of(sum(present) / len(present), None, None) if len(present) == len(names) else None

    groups = zip(GROUPS, view.groups, strict=True) if view.groups[0] and view.groups[-1] else ()
    return [Column(name, partial(on_group, names), in_papers=False) for name, names in groups if names]


def _answer(view: OverviewView) -> str:
    """The best method, its certainty and the missing runs: the sentences of the page as plain lines."""
    from reports import answer_lines

    return "\n".join(answer_lines(view))


def _picture(view: OverviewView) -> str:
    """The answer with its small print, and the first chart of the page, as HTML."""
    from reports import difficulty_picture

    lines = "".join(f"<p>{escape(line)}</p>" for line in _answer(view).splitlines())
    return f"{lines}{difficulty_picture(view)}"


def _notes(board: Leaderboard) -> Iterator[str]:
    """Warnings for the reader: incomplete and stale entries, oracles, runs that do not count."""
    from bench.analysis import board_title
    from bench.score_texts import points

    title = board_title(board)
    if holes := _incomplete(board):
        yield f"incomplete: {title}: {holes}"
    for entry in board.entries:
        if entry.oracle:
            gaps = ", ".join(f"{split} {points(value)}" for split, value in entry.optimism.items()) or "not recorded"
            reason = f"chosen with test labels; points above the same runs without: {gaps}"
            yield f"oracle: {entry.key}, {title}: {reason}; not ranked"
    yield from stale_notes(board, board.entries)
    for entry in board.entries:
        if entry.imported:
            advice = "`etl-bench runs verify RUN` repeats a run"
            yield f"‡ imported, not verified: {entry.key}, {title}: {entry.imported}; {advice}"
    for run in board.excluded:
        yield f"not counted: run {run.run_id} ({run.entry}, {run.dataset}, seed {run.seed}): {run.reason}"


def _incomplete(board: Leaderboard) -> str:
    """Entries with missing runs, grouped by their number of runs."""
    failed = Counter(cell.entry for cell in board.missing if cell.error is not None)
    together: dict[str, list[str]] = {}
    for entry in board.entries:
        if entry.coverage < entry.planned:
            failures = f", {failed[entry.key]} failed" if failed[entry.key] else ""
            together.setdefault(f"{entry.coverage} of {counted(entry.planned, 'run')}{failures}", []).append(entry.key)
    return "; ".join(f"{', '.join(keys)} ({runs})" for runs, keys in together.items())


def stale_notes(board: Leaderboard, entries: Sequence[Entry]) -> list[str]:
    """One note about the entries whose code changed since their runs, if there are any."""
    from bench.analysis import board_title

    stale = [f"{entry.key}: {entry.stale}" for entry in entries if entry.stale]
    reasons = "; ".join([*stale[:MOST_STALE], *([f"{len(stale) - MOST_STALE} more"] if stale[MOST_STALE:] else [])])
    advice = "The same `etl-bench run` with --rerun stale repeats them."
    return [f"† stale, {board_title(board)}: {reasons}. {advice}"] if stale else []
