"""Leaderboards as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.api.result_table import ResultTable, TablePart, setting_frame
from datasets_registry import EvalProtocol

if TYPE_CHECKING:
    from bench.analysis import Entry, Estimate, Leaderboard
    from reports.views import OverviewView


MOST_STALE = 3
"""Entries with runs of other code that a note names."""
STALE = " †"
"""Marks an entry with runs of other code than today's."""


SPARE = ("parameters", "runs", "train s", "test s", "open", "new", "base")
"""Columns that a narrow terminal leaves out, the first one first."""


def leaderboard_table(
    boards: Sequence[Leaderboard],
    overview: Callable[[Leaderboard], OverviewView] | None = None,
    unfinished: Sequence[str] = (),
    *,
    titles: Callable[[Entry], str] = lambda entry: entry.key,
    ranks: Callable[[Leaderboard], Mapping[str, str]] | None = None,
    costs: bool = True,
) -> ResultTable[Leaderboard]:
    """Rankings, one per backbone, protocol, shots and draw, in per cent with 95 % intervals over seeds and test images.

    The frame has one row per entry, measure and setting; its values are fractions 0..1 with their interval and n.

    Args:
        boards: the rankings; the result has them as `source`.
        overview: the answer of a board, which is shown beside its rows.
        unfinished: notes on sweeps with missing runs.
        titles: the name of an entry in the printed rows; the frame has its key.
        ranks: the ranges of ranks that the tests of a board leave, by key.
        costs: show parameters and training times.
    """
    ranges = [{} if ranks is None else ranks(board) for board in boards]
    return ResultTable(
        boards,
        [_part(board, overview, titles, held, costs=costs) for board, held in zip(boards, ranges, strict=True)],
        notes=[*unfinished, *_notes(boards)],
        json=lambda: [_plain(board, held) for board, held in zip(boards, ranges, strict=True)],
        frame=lambda: setting_frame([(board.rows(), board.setting.facts()) for board in boards]),
    )


def _part(
    board: Leaderboard,
    overview: Callable[[Leaderboard], OverviewView] | None,
    titles: Callable[[Entry], str],
    ranks: Mapping[str, str],
    *,
    costs: bool,
) -> TablePart:
    rows = [_row(board, entry, titles(entry), ranks.get(entry.key, "–"), costs=costs) for entry in board.entries]
    title = f"{board_title(board)}{_what_h_is(board)}"
    if overview is None:
        return TablePart(title, rows, spare=SPARE)
    view = cache(lambda: overview(board))
    return TablePart(title, rows, [], SPARE, lambda: _answer(view()), lambda: _picture(view()))


def _what_h_is(board: Leaderboard) -> str:
    from bench.analysis import H, HConvention

    if H not in board.columns:
        return ""
    how = "H of the mean accuracies" if board.convention is HConvention.H_OF_MEANS else "mean of the datasets' H"
    return f"; H is the {how}"


def _notes(boards: Sequence[Leaderboard]) -> list[str]:
    """Warnings for the reader: incomplete and stale entries, oracles, runs that do not count."""
    notes = []
    for board in boards:
        title = board_title(board)
        if holes := _incomplete(board):
            notes.append(f"incomplete: {title}: {holes}")
        for entry in board.entries:
            if entry.oracle:
                notes.append(f"oracle: {entry.key}, {title}: {_optimism(entry)}; not ranked")
        notes += stale_notes(board, board.entries)
        for entry in board.entries:
            if entry.imported:
                advice = "`etl-bench runs verify RUN` repeats a run"
                notes.append(f"imported, not verified: {entry.key}, {title}: {entry.imported}; {advice}")
        for run in board.excluded:
            what = f"run {run.run_id} ({run.entry}, {run.dataset}, seed {run.seed})"
            notes.append(f"not counted: {what}: {run.reason}")
    return notes


def _plain(board: Leaderboard, ranks: Mapping[str, str]) -> dict[str, object]:
    return {
        "setting": board.setting.facts(),
        "h_convention": str(board.convention),
        "datasets": list(board.datasets),
        "averaged": list(board.averaged),
        "seeds": list(board.seeds),
        "complete": board.complete,
        "rows": board.rows(),
        "ranks": dict(ranks),
        "missing": [vars(cell) for cell in board.missing],
        "set_aside": [vars(run) for run in board.excluded],
    }


def _picture(view: OverviewView) -> str:
    """The answer with its small print, and the first chart of the page, as HTML."""
    from reports import answer_lines, hero_picture

    lines = "".join(f"<p>{escape(line)}</p>" for line in answer_lines(view))
    return f"{lines}{hero_picture(view)}"


def _answer(view: OverviewView) -> str:
    """The best method, its certainty and the missing runs: the sentences of the page as plain lines."""
    from reports import answer_lines

    return "\n".join(answer_lines(view))


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


def _row(board: Leaderboard, entry: Entry, title: str, ranks: str, *, costs: bool) -> dict[str, object]:
    """One line of the terminal: the score that orders the rows comes first."""
    row: dict[str, object] = {"rank": ranks, "method": f"{title}{STALE}" if entry.stale else title}
    for measure in (board.columns[-1], *board.columns[:-1]):
        found = entry.average(measure, board.convention)
        name = "average of targets" if board.setting.source else measure_name(measure)
        row[name] = "not computed" if measure == "open" and found is None and entry.n else _percent(found)
    if board.setting.source:
        for dataset in (board.setting.source, *board.averaged):
            cell = entry.cells.get(dataset)
            name = f"{dataset} (source)" if dataset == board.setting.source else dataset
            row[name] = _percent(cell.scores["all"] if cell else None)
    row["runs"] = f"{entry.coverage}/{entry.planned}{'' if entry.coverage == entry.planned else ' *'}"
    if not costs:
        return row
    time = "test s" if board.setting.protocol == EvalProtocol.TEST_TIME else "train s"
    row[time] = _seconds(entry)
    row["parameters"] = entry.cost.parameters_high if entry.cost else "–"
    return row


def measure_name(measure: str) -> str:
    """The name of a measure in tables: all classes together have an accuracy."""
    return "accuracy" if measure == "all" else measure


def _seconds(entry: Entry) -> str:
    if entry.cost is None:
        return "–"
    seconds = entry.cost.learning_seconds
    if seconds is None:
        return entry.cost.device
    return "–" if seconds == 0 else "< 0.1" if seconds < 0.05 else f"{seconds:.1f}"


def _percent(estimate: Estimate | None) -> str:
    from bench.analysis import score_text

    return "–" if estimate is None else score_text(estimate)


def _optimism(entry: Entry) -> str:
    gaps = ", ".join(f"{split} {100 * value:+.2f}" for split, value in entry.optimism.items())
    return f"chosen with test labels; points above the same runs without: {gaps or 'not recorded'}"
