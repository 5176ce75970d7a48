"""A leaderboard as a table for terminals, notebooks, JSON and pandas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from bench._util.words import counted, html_table
from datasets_registry import EvalProtocol

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis import Entry, Estimate, Leaderboard
    from reports.views import OverviewView


MOST_STALE = 3
"""Entries with runs of other code that a note names."""
STALE = " †"
"""Marks an entry with runs of other code than today's."""


class LeaderboardTable:
    """Leaderboards, one per backbone, protocol, shots and draw. A notebook shows them as tables."""

    def __init__(
        self,
        boards: Sequence[Leaderboard],
        overview: Callable[[Leaderboard], OverviewView] | None = None,
        unfinished: Sequence[str] = (),
        *,
        costs: bool = True,
    ) -> None:
        self.boards = tuple(boards)
        self._costs = costs
        self._overview = overview
        self._unfinished = tuple(unfinished)

    def answer(self, board: Leaderboard) -> list[str]:
        """The best method, its certainty and the missing runs: the sentences of the page as plain lines."""
        from reports import answer_lines

        return [] if self._overview is None else answer_lines(self._overview(board))

    @property
    def complete(self) -> bool:
        """Whether every entry has every run that its board has."""
        return all(board.complete for board in self.boards)

    def to_frame(self) -> pd.DataFrame:
        """One row per entry, measure and setting; values are fractions 0..1 with their interval and n."""
        import pandas as pd

        frames = [pd.DataFrame(board.rows()).assign(**board.setting.facts()) for board in self.boards]
        return pd.concat(frames, ignore_index=True)

    def rows(self, board: Leaderboard) -> list[dict[str, object]]:
        """The rows of one leaderboard, in per cent with 95 % intervals, as they are printed."""
        return [_row(board, entry, costs=self._costs) for entry in board.entries]

    def notes(self) -> list[str]:
        """Warnings for the reader: incomplete and stale entries, oracles, runs that do not count."""
        notes = list(self._unfinished)
        for board in self.boards:
            title = board_title(board)
            if holes := _incomplete(board):
                notes.append(f"incomplete: {title}: {holes}")
            for entry in board.entries:
                if entry.oracle:
                    notes.append(f"oracle: {entry.key}, {title}: {_optimism(entry)}; not ranked")
            notes += stale_notes(board, board.entries)
            for entry in board.entries:
                if entry.imported:
                    advice = "`etl-bench verify RUN` repeats a run"
                    notes.append(f"imported, not verified: {entry.key}, {title}: {entry.imported}; {advice}")
            for run in board.excluded:
                what = f"run {run.run_id} ({run.entry}, {run.dataset}, seed {run.seed})"
                notes.append(f"not counted: {what}: {run.reason}")
        return notes

    def to_json(self) -> list[dict[str, object]]:
        """Plain values of every board."""
        return [
            {
                "setting": board.setting.facts(),
                "h_convention": str(board.convention),
                "datasets": list(board.datasets),
                "averaged": list(board.averaged),
                "seeds": list(board.seeds),
                "complete": board.complete,
                "rows": board.rows(),
                "missing": [vars(cell) for cell in board.missing],
                "set_aside": [vars(run) for run in board.excluded],
            }
            for board in self.boards
        ]

    def _repr_html_(self) -> str:
        return "".join(
            self._answer_html(board) + html_table(board_title(board), self.rows(board)) for board in self.boards
        )

    def _answer_html(self, board: Leaderboard) -> str:
        """The answer with its small print, and the first chart of the page, as HTML."""
        if self._overview is None:
            return ""
        from reports import answer_lines, hero_picture

        view = self._overview(board)
        lines = "".join(f"<p>{escape(line)}</p>" for line in answer_lines(view))
        return f"{lines}{hero_picture(view)}"

    def __str__(self) -> str:
        import pandas as pd

        parts = []
        for board in self.boards:
            rows = pd.DataFrame(self.rows(board)).to_string(index=False)
            parts += [f"{board_title(board)}\n{rows}", *self.answer(board)]
        return "\n\n".join([*parts, *self.notes()])

    __repr__ = __str__


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
    found = [f"{entry.key}: {entry.stale}" for entry in entries if entry.stale]
    stale = "; ".join([*found[:MOST_STALE], *([f"{len(found) - MOST_STALE} more"] if found[MOST_STALE:] else [])])
    advice = "The same `etl-bench run` with --rerun stale repeats them."
    return [f"{STALE.strip()} stale, {board_title(board)}: {stale}. {advice}"] if stale else []


def board_title(board: Leaderboard) -> str:
    """Backbone, protocol, shots and the number of datasets of a board."""
    over = counted(len(board.averaged), "target" if board.setting.source else "dataset")
    return f"{board.setting.title}, {over}"


def _row(board: Leaderboard, entry: Entry, *, costs: bool) -> dict[str, object]:
    name = f"{entry.key}{STALE}" if entry.stale else entry.key
    row: dict[str, object] = {"#": "" if entry.rank is None else entry.rank, "method": name}
    if board.setting.source:
        for dataset in (board.setting.source, *board.averaged):
            cell = entry.cells.get(dataset)
            title = f"{dataset} (source)" if dataset == board.setting.source else dataset
            row[title] = _percent(cell.scores["all"] if cell else None)
    for measure in board.columns:
        name = f"{measure} ({board.convention})" if measure == "H" else measure
        if board.setting.source:
            name = "average of targets"
        found = entry.average(measure, board.convention)
        row[name] = "not computed" if measure == "open" and found is None and entry.n else _percent(found)
    row["n/N"] = f"{entry.coverage}/{entry.planned}{'' if entry.coverage == entry.planned else ' *'}"
    if not costs:
        return row
    row["parameters"] = entry.cost.parameters_high if entry.cost else "–"
    seconds = None if entry.cost is None else entry.cost.learning_seconds
    time = "test s" if board.setting.protocol == EvalProtocol.TEST_TIME else "train s"
    row[time] = f"{seconds:.1f}" if seconds is not None else entry.cost.device if entry.cost else "–"
    return row


def _percent(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    interval = "" if estimate.half_width is None else f" ± {100 * estimate.half_width:.2f}"
    return f"{100 * estimate.mean:.2f}{interval}"


def _optimism(entry: Entry) -> str:
    gaps = ", ".join(f"{split} {100 * value:+.2f}" for split, value in entry.optimism.items())
    return f"chosen with test labels; points above the same runs without: {gaps or 'not recorded'}"
