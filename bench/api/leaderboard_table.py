"""Leaderboards as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from bench._util.words import counted
from bench.api.result_table import ResultTable, TablePart, setting_frame

if TYPE_CHECKING:
    from bench.analysis import Entry, EntryCost, Estimate, Kind, Leaderboard, Verdict
    from reports.views import OverviewView


MOST_STALE = 3
"""Entries with runs of other code that a note names."""
STALE = " †"
"""Marks an entry with runs of other code than today's."""


def leaderboard_table(
    boards: Sequence[Leaderboard],
    overview: Callable[[Leaderboard], OverviewView] | None = None,
    unfinished: Sequence[str] = (),
    *,
    titles: Callable[[Entry], str] = lambda entry: entry.key,
    verdicts: Callable[[Leaderboard], Mapping[str, Verdict]] | None = None,
    costs: bool = True,
) -> ResultTable[Leaderboard]:
    """Rankings, one per backbone, protocol, shots and draw, in per cent with 95 % intervals over seeds and test images.

    The frame has one row per entry, measure and setting; its values are fractions 0..1 with their interval and n.

    Args:
        boards: the rankings; the result has them as `source`.
        overview: the answer of a board, which is shown beside its rows.
        unfinished: notes on sweeps with missing runs.
        titles: the name of an entry in the printed rows; the frame has its key.
        verdicts: those of a board, by measure.
        costs: show parameters and training times.
    """
    from bench.analysis import board_rows

    known = [{} if verdicts is None else verdicts(board) for board in boards]
    return ResultTable(
        boards,
        [_part(board, overview, titles, found, costs=costs) for board, found in zip(boards, known, strict=True)],
        notes=[*unfinished, *_notes(boards)],
        json=lambda: [_plain(board, found) for board, found in zip(boards, known, strict=True)],
        frame=lambda: setting_frame(
            [
                (board_rows(board, _ranks(board, found)), board.setting.facts())
                for board, found in zip(boards, known, strict=True)
            ]
        ),
    )


def _part(
    board: Leaderboard,
    overview: Callable[[Leaderboard], OverviewView] | None,
    titles: Callable[[Entry], str],
    verdicts: Mapping[str, Verdict],
    *,
    costs: bool,
) -> TablePart:
    from bench.analysis import Kind, Place, leaderboard_columns

    hidden = () if costs else (Kind.PARAMETERS, Kind.TIME, Kind.SHARED)
    ranks = _ranks(board, verdicts)
    columns = [c for c in leaderboard_columns(board, Place.TERMINAL, ranks) if c.kind not in hidden]
    heads = {column.titles[Place.TERMINAL]: column for column in columns}
    write = _writers(titles)
    rows = [{head: write[c.kind](entry, c.value(entry)) for head, c in heads.items()} for entry in board.entries]
    spare = sorted((head for head, column in heads.items() if column.spare), key=lambda head: heads[head].spare)
    title = f"{board_title(board)}{_what_h_is(board)}"
    if overview is None:
        return TablePart(title, rows, spare=spare)
    view = cache(lambda: overview(board))
    return TablePart(title, rows, [], spare, lambda: _answer(view()), lambda: _picture(view()))


def _what_h_is(board: Leaderboard) -> str:
    from bench.analysis import H, HConvention

    if H not in board.measures:
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


def _ranks(board: Leaderboard, verdicts: Mapping[str, Verdict]) -> Mapping[str, str]:
    """The ranges of ranks by the measure that orders the board."""
    return verdicts[board.measures[-1]].ranks if verdicts else {}


def _plain(board: Leaderboard, verdicts: Mapping[str, Verdict]) -> dict[str, object]:
    from bench.analysis import board_rows

    return {
        "setting": board.setting.facts(),
        "h_convention": str(board.convention),
        "datasets": list(board.datasets),
        "averaged": list(board.averaged),
        "seeds": list(board.seeds),
        "complete": board.complete,
        "rows": board_rows(board, _ranks(board, verdicts)),
        "ranks": dict(_ranks(board, verdicts)),
        "verdicts": {measure: found.facts() for measure, found in verdicts.items()},
        "missing": [vars(cell) for cell in board.missing],
        "set_aside": [vars(run) for run in board.excluded],
    }


def _picture(view: OverviewView) -> str:
    """The answer with its small print, and the first chart of the page, as HTML."""
    from reports import answer_lines, difficulty_picture

    lines = "".join(f"<p>{escape(line)}</p>" for line in answer_lines(view))
    return f"{lines}{difficulty_picture(view)}"


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


def _writers(titles: Callable[[Entry], str]) -> Mapping[Kind, Callable[[Entry, Any], object]]:
    """How the terminal shows the value of an entry, by the kind of its column."""
    from bench.analysis import Kind

    return {
        Kind.RANK: lambda _, rank: rank or "–",
        Kind.METHOD: lambda entry, _: f"{titles(entry)}{STALE}" if entry.stale else titles(entry),
        Kind.MAIN_SCORE: lambda _, found: _percent(found),
        Kind.SCORE: lambda _, found: found if isinstance(found, str) else _percent(found),
        Kind.RUNS: lambda _, runs: f"{runs[0]}/{runs[1]}{'' if runs[0] == runs[1] else ' *'}",
        Kind.PARAMETERS: lambda _, cost: cost.parameters_high if cost else "–",
        Kind.TIME: lambda _, cost: _seconds(cost, "own_seconds"),
        Kind.SHARED: lambda _, cost: _seconds(cost, "shared_seconds"),
        Kind.FACT: lambda _, value: value,
    }


def _seconds(cost: EntryCost | None, part: str) -> str:
    """The own or the shared seconds of a run."""
    if cost is None:
        return "–"
    from bench.analysis import score_texts

    found: float | None = getattr(cost, part)
    if found is None:
        return cost.device if cost.own_seconds is None else "unknown"
    return score_texts.seconds(found)


def _percent(estimate: Estimate | None) -> str:
    from bench.analysis import score_text

    return "–" if estimate is None else score_text(estimate)


def _optimism(entry: Entry) -> str:
    from bench.analysis import score_texts

    gaps = ", ".join(f"{split} {score_texts.points(value)}" for split, value in entry.optimism.items())
    return f"chosen with test labels; points above the same runs without: {gaps or 'not recorded'}"
