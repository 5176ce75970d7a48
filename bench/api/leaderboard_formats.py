"""Formats of leaderboards for papers and spreadsheets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.analysis import Leaderboard, board_rows, board_verdict, board_verdicts, table_exports
from bench.errors import UsageError
from bench.papers import registered
from datasets_registry import did_you_mean


@dataclass(frozen=True)
class Chosen:
    """Leaderboards, and how to write them; see `export_leaderboards`."""

    boards: Sequence[Leaderboard]
    by_dataset: bool
    intervals: bool = True


def _csv(chosen: Chosen) -> str:
    titles = registered().board_titles
    return "\n".join(
        table_exports.to_csv(table_exports.rows_by_dataset(board), titles(board))
        if chosen.by_dataset
        else table_exports.to_csv(board_rows(board, board_verdict(board, board.measures[-1]).ranks), titles(board))
        for board in chosen.boards
    )


def _tables(chosen: Chosen) -> Iterator[table_exports.ExportTable]:
    for board in chosen.boards:
        titles, verdicts = registered().board_titles(board), board_verdicts(board)
        if chosen.by_dataset:
            made = [table_exports.dataset_table(board, found, titles) for found in verdicts.values()]
        else:
            made = [table_exports.export_table(board, verdicts, titles)]
        yield from made if chosen.intervals else map(table_exports.without_intervals, made)


@dataclass(frozen=True)
class Format:
    """A format: its text, and the suffixes of its files."""

    text: Callable[[Chosen], str]
    suffixes: Sequence[str]


_FORMATS = {
    "csv": Format(_csv, (".csv", ".txt")),
    "markdown": Format(
        lambda chosen: "\n".join(map(table_exports.to_markdown, _tables(chosen))), (".md", ".markdown", ".txt")
    ),
    "latex": Format(lambda chosen: "\n".join(map(table_exports.to_latex, _tables(chosen))), (".tex", ".txt")),
}


def format_of(suffix: str) -> str | None:
    """The format whose files alone end so; None for any other suffix.

    Example:
        >>> format_of(".tex"), format_of(".txt")
        ('latex', None)
    """
    found = [name for name, one in _FORMATS.items() if suffix.lower() in one.suffixes]
    return found[0] if len(found) == 1 else None


def format_named(name: str) -> Format:
    """The format of that name; raises UsageError if there is none."""
    if name not in _FORMATS:
        from reports import FIGURES

        is_figure = f' It is a figure: --figure {name}, in Python figure="{name}".' if name in FIGURES else ""
        hint = is_figure or did_you_mean(name, list(_FORMATS), most=1)
        raise UsageError(f"--format {name!r} is unknown.{hint} Allowed: {', '.join(_FORMATS)}.")
    return _FORMATS[name]
