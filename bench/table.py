"""Tables: values for programs, and columns that say how people read them. Every printed result is one.

A table is written as text, JSON, CSV, LaTeX, Markdown or HTML. The writers are here alone and know no command.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import date
from enum import StrEnum
from html import escape
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from bench._util.terminal import spaced, with_whole_commands, wrapped
from bench.bounds import printable
from bench.score_texts import percent, reach_text

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]

WIDTH = 100
"""Characters of a printed line in a notebook."""
DIGITS = 6
"""Digits after the point in CSV."""


class Mark(StrEnum):
    """How a number compares with the best number of its column."""

    BEST = "best"
    TIES = "ties"
    """May match the best here."""
    NONE = ""


@dataclass(frozen=True)
class Score:
    """A number in per cent with the distances to the ends of its interval.

    Args:
        mean: such as `71.70`.
        reach: such as `± 1.20` or `−2.10/+0.40`; empty without an interval.
        mark: how it compares with the best number of its column.
        coverage: such as `2/3` if runs are missing.
    """

    mean: str
    reach: str = ""
    mark: Mark = Mark.NONE
    coverage: str = ""

    @classmethod
    def of(cls, mean: float, low: float | None, high: float | None) -> Score:
        """A fraction 0..1 with the ends of its interval.

        Example:
            >>> str(Score.of(0.717, 0.705, 0.729)), str(Score.of(0.99, 0.94, 0.998)), str(Score.of(0.5, None, None))
            ('71.70 ± 1.20', '99.00 −5.00/+0.80', '50.00')
        """
        return cls(percent(mean), reach_text(mean, low, high))

    def __str__(self) -> str:
        return " ".join(filter(None, [self.mean, self.reach, f"({self.coverage})" if self.coverage else ""]))


@dataclass(frozen=True)
class Column:
    """A column as people read it.

    Args:
        title: the heading.
        value: what a row shows: a score, a text, or a plain value, which `as_text` writes.
        in_papers: whether LaTeX and Markdown have the column.
    """

    title: str
    value: Callable[[Row], Any]
    in_papers: bool = True


def _no_text() -> str:
    return ""


@dataclass(frozen=True)
class Table:
    """Rows of values, and how they are read.

    Args:
        rows: values by name; accuracies are fractions 0..1. Frames, JSON and CSV have all of them.
        columns: what is printed; a name stands for the value of that name. Default: all values.
        title: says what the numbers are.
        notes: warnings for the reader.
        caption: explains marks and intervals below a table of a paper.
        spare: titles of columns that a narrow terminal leaves out, the first one first.
        labels: titles of the columns that say what a row is. If there are some, no column is left out: those without
            room go on in further tables.
        setting: values that all rows share; a frame has them in each row.
        facts: values of JSON in place of the rows.
        details: further rows, which a terminal prints on request.
        below: lines below the rows of a text.
        picture: HTML above the rows in a notebook.
        source: the objects that the rows were made of.
    """

    rows: Sequence[Row]
    columns: Sequence[Column | str] | None = None
    title: str = ""
    notes: Sequence[str] = ()
    caption: str = ""
    spare: Sequence[str] = ()
    labels: Sequence[str] = ()
    setting: Mapping[str, object] | None = None
    facts: Callable[[], object] | None = None
    details: Table | None = None
    below: Callable[[], str] = _no_text
    picture: Callable[[], str] = _no_text
    source: Any = None

    def to_frame(self) -> pd.DataFrame:
        """All values with those of the details as pandas; accuracies are fractions 0..1."""
        return _frame([self])

    def values(self) -> object:
        """What JSON has, as plain values."""
        return _plain([dict(row) for row in self.rows] if self.facts is None else self.facts())

    def json(self) -> str:
        """All values as JSON; non-finite numbers are null."""
        return to_json(self.values())

    def csv(self) -> str:
        """All values but lists, with six digits after the point.

        Texts that a spreadsheet would run as formulas begin with an apostrophe.
        """
        lists = {name for row in self.rows for name, value in row.items() if isinstance(value, list)}
        names = dict.fromkeys(name for row in self.rows for name in row if name not in lists)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(names), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _csv(value) for name, value in row.items()} for row in self.rows)
        return text.getvalue()

    def latex(self) -> str:
        """A LaTeX table (booktabs) with the best numbers in bold and their ties underlined."""
        columns = self._columns(in_papers=True)
        head = " & ".join(_tex(column.title[:1].upper() + column.title[1:]) for column in columns)
        lines = [" & ".join(_LATEX.cell(column.value(row)) for column in columns) for row in self.rows]
        caption = " ".join(filter(None, [f"{self.title}.", self.caption]))
        above = ["% needs \\usepackage{booktabs}", "\\begin{table}", "\\centering", f"\\caption{{{_tex(caption)}}}"]
        above += [f"\\begin{{tabular}}{{rl{'r' * (len(columns) - 2)}}}", "\\toprule", f"{head} \\\\", "\\midrule"]
        below = ["\\bottomrule", "\\end{tabular}", "\\end{table}", ""]
        return "\n".join([*above, *(f"{line} \\\\" for line in lines), *below])

    def markdown(self) -> str:
        """A Markdown table with the best numbers in bold and their ties underlined."""
        columns = self._columns(in_papers=True)
        head = [[_md(column.title) for column in columns], ["---"] * 2 + ["---:"] * (len(columns) - 2)]
        lines = [[_MARKDOWN.cell(column.value(row)) for column in columns] for row in self.rows]
        table = [f"| {' | '.join(cells)} |" for cells in (*head, *lines)]
        return "\n".join([f"**{_md(self.title)}**", "", *table, "", self.caption, ""])

    def html(self) -> str:
        """The picture and the rows with their details, for notebooks."""
        return self.picture() + self._grid_html() + (self.details.html() if self.details else "")

    def text(self, width: int | None = WIDTH, *, details: bool = True) -> str:
        """Title, rows, details and the lines below them, in lines of `width` characters; None for any length.

        Words stay whole where there is room, and a line names the columns that were left out.
        """
        parts = [wrapped(self.title, width)] if self.title else []
        if self.rows:
            parts += self._grids(width)
        if self.details and details:
            parts += [self.details.text(width)]
        below = self.below()
        return "\n".join([*parts, *([wrapped(below, width)] if below else [])])

    def texts(self) -> list[dict[str, str]]:
        """The rows as they are printed, by the titles of the columns."""
        columns = self._columns()
        return [{column.title: as_text(column.value(row)) for column in columns} for row in self.rows]

    def __str__(self) -> str:
        return "\n".join([self.text(), *(wrapped(note, WIDTH) for note in self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.html()

    def _columns(self, *, in_papers: bool = False) -> list[Column]:
        names = list(self.rows[0] if self.rows else ()) if self.columns is None else self.columns
        columns = [_named(name) if isinstance(name, str) else name for name in names]
        return [column for column in columns if column.in_papers or not in_papers]

    def _grid_html(self) -> str:
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        head = "".join(f"<th>{escape(column.title)}</th>" for column in self._columns())
        cells = ([escape(text).replace("\n", "<br>") for text in texts.values()] for texts in self.texts())
        lines = ("".join(f"<td>{text}</td>" for text in of_row) for of_row in cells)
        return f"<table>{caption}<tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"

    def _grids(self, width: int | None) -> list[str]:
        """The rows as one grid, or as several whose columns fit."""
        texts = self.texts()
        columns = {title: [of_row[title] for of_row in texts] for title in texts[0]}
        if not self.labels:
            return grid_text(columns, width, self.spare)
        room = {title: len(_GAP) + max(map(_cells, (title, *texts))) for title, texts in columns.items()}
        labels = [title for title in self.labels if title in columns]
        blocks: list[list[str]] = [[]]
        for title in (title for title in columns if title not in labels):
            if width is not None and blocks[-1] and sum(room[name] for name in (*labels, *blocks[-1], title)) > width:
                blocks.append([])
            blocks[-1].append(title)
        return [_drawn({title: columns[title] for title in (*labels, *block)}, width) for block in blocks]


class Tables(Sequence[Table]):
    """The tables of a command that prints several, such as one leaderboard for each setting."""

    def __init__(self, tables: Iterable[Table], notes: Sequence[str] = ()) -> None:
        self._tables = tuple(tables)
        self.notes = (*notes, *(note for table in self._tables for note in table.notes))

    def __getitem__(self, place: Any) -> Any:
        return self._tables[place]

    def __len__(self) -> int:
        return len(self._tables)

    @property
    def rows(self) -> list[Row]:
        """The values of all rows with those of the details."""
        return [row for table in self for part in (table, table.details) if part for row in part.rows]

    @property
    def source(self) -> tuple[Any, ...]:
        """The objects that the tables were made of."""
        return tuple(table.source for table in self)

    @property
    def title(self) -> str:
        """The titles, one per line."""
        return "\n".join(table.title for table in self)

    def to_frame(self) -> pd.DataFrame:
        """The rows under each other as pandas; what tells the settings apart comes first."""
        return _frame(self)

    def values(self) -> object:
        """What JSON has, one item for each table, as plain values."""
        return [table.values() for table in self]

    def json(self) -> str:
        """One JSON value for each table."""
        return to_json(self.values())

    def csv(self) -> str:
        """The tables as CSV, with an empty line between them."""
        return "\n".join(table.csv() for table in self)

    def latex(self) -> str:
        """The tables as LaTeX, one after the other."""
        return "\n".join(table.latex() for table in self)

    def markdown(self) -> str:
        """The tables as Markdown, one after the other."""
        return "\n".join(table.markdown() for table in self)

    def html(self) -> str:
        """The tables for notebooks; the notes if there are none."""
        return "".join(table.html() for table in self) or "".join(f"<p>{escape(note)}</p>" for note in self.notes)

    def text(self, width: int | None = WIDTH, *, details: bool = True) -> str:
        """The tables as text, one after the other; see `Table.text`."""
        return "\n".join(table.text(width, details=details) for table in self)

    def __str__(self) -> str:
        return "\n".join([self.text(), *(wrapped(note, WIDTH) for note in self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.html()


def _named(name: str) -> Column:
    return Column(name.replace("_", " "), lambda row: row.get(name))


def _frame(tables: Sequence[Table]) -> pd.DataFrame:
    """The rows of all tables; the values of the settings that differ come first, and those that all share come last."""
    import pandas as pd

    parts = [part for table in tables for part in (table, table.details) if part]
    rows = [{**row, **(table.setting or {})} for table in parts for row in table.rows]
    settings = [table.setting for table in tables if table.setting]
    differing = [
        name for name in (settings[0] if settings else ()) if len({str(setting[name]) for setting in settings}) > 1
    ]
    frame = pd.DataFrame(rows)
    return frame[[*differing, *(name for name in frame if name not in differing)]]


# -- values as texts ----------------------------------------------------------------------------------------------


def as_text(value: object) -> str:
    """A value as text of a cell, without terminal control characters; a negative number has `−`."""
    if isinstance(value, str):
        return printable(value, keep="\n\t")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        text = str(value) if isinstance(value, int) else f"{value:.4g}"
        return f"−{text[1:]}" if text.startswith("-") else text
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_nested(item)}" for key, item in value.items()) or "–"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(as_text(item) for item in value) or "–"
    return printable(str(value))


def _nested(value: object) -> str:
    """A value within another one, as in TOML: mappings and lists have brackets."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key} = {_nested(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(map(_nested, value))}]"
    return as_text(value)


def to_json(value: object) -> str:
    """A value as JSON. Dataclasses and models become objects, dates texts, and non-finite numbers null."""
    return json.dumps(_plain(value), indent=1, ensure_ascii=False)


def _plain(value: object) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) or isinstance(value, BaseModel):
        value = dict(vars(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(_plain, value))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, StrEnum):
        return printable(str(value))
    return value if value is None or isinstance(value, str | int) else str(value)


# -- CSV, LaTeX and Markdown --------------------------------------------------------------------------------------

_FORMULA = re.compile(r"[=@\t\r\n]|[+-](?![\d.]+$)")
"""The beginning of texts that spreadsheets run as formulas; does not match plain numbers."""


def _csv(value: object) -> object:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, str):  # csv does not quote a carriage return
        return ("'" if _FORMULA.match(value) else "") + value.replace("\r", " ")
    return value


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "–": "--", "†": r"\dag{}", "‡": r"\ddag{}", "\n": " ",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in text)


def _md(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|" else c for c in text.replace("\n", " "))


@dataclass(frozen=True)
class _Markup:
    """How a format writes texts and scores."""

    plain: Callable[[str], str]
    best: str
    ties: str
    reach: str
    signs: Mapping[str, str]

    def cell(self, value: object) -> str:
        """A cell of a table."""
        if not isinstance(value, Score):
            return self.plain(as_text(value))
        mean = {Mark.BEST: self.best, Mark.TIES: self.ties, Mark.NONE: "{}"}[value.mark].format(value.mean)
        reach = self.reach.format(value.reach) if value.reach else ""
        for sign, markup in self.signs.items():
            reach = reach.replace(sign, markup)
        return f"{mean}{reach}{f' ({value.coverage})' if value.coverage else ''}"


_LATEX = _Markup(_tex, r"\textbf{{{}}}", r"\underline{{{}}}", r" {{\scriptsize {}}}", {"±": r"$\pm$", "−": "$-$"})
_MARKDOWN = _Markup(_md, "**{}**", "<u>{}</u>", " {}", {})


# -- text ---------------------------------------------------------------------------------------------------------

_GAP = "  "
_UNBROKEN = 20
"""A column of at most this many characters keeps its lines."""
_NARROWEST = 18
"""The fewest characters of a column with broken lines."""
_LONGEST_PLACE = 30
"""Longer paths and addresses may be broken; names are not."""
_NUMBER = re.compile(r"([<+−]? ?\d[\d.,]*|unknown)( (s|min|h|%|[MG]i?B))?|–|")
"""Cells of columns that are aligned at the right."""


def grid_text(columns: Mapping[str, Sequence[str]], width: int | None, spare: Sequence[str] = ()) -> list[str]:
    """The texts of columns as a grid, and a line that names the columns that were left out, if any.

    Args:
        columns: one text for each row, by title; a text may have several lines.
        width: characters of a line; None for lines of any length, which have every column.
        spare: columns that are left out first if the grid is too wide, in this order. Then the last columns are left
            out. The first two are always there. Words are broken only where what stays is too wide.
    """
    least = {title: _least(title, texts) for title, texts in columns.items()}
    kept_titles = set(columns)
    if width is not None:
        away = [title for title in spare if title in list(columns)[2:]]
        away += [title for title in reversed(list(columns)[2:]) if title not in away]
        removed = []
        for title in away:
            if _total(least[name] for name in kept_titles) > width:
                kept_titles.remove(title)
                removed.append(title)
        for title in reversed(removed):  # a wide column may have made room for a narrow one
            if _total(least[name] for name in (*kept_titles, title)) <= width:
                kept_titles.add(title)
    left_out = [title for title in columns if title not in kept_titles]
    line = f"left out in a line of this width: {', '.join(left_out)}"
    grid = _drawn({title: texts for title, texts in columns.items() if title in kept_titles}, width)
    return [grid, *([wrapped(line, width)] if left_out else [])]


def facts_text(facts: Mapping[str, object], width: int | None = None) -> str:
    """Named values, one per line; the values begin in one column."""
    return _drawn({"": list(facts), " ": list(map(as_text, facts.values()))}, width, head=False) if facts else ""


def _drawn(columns: Mapping[str, Sequence[str]], width: int | None, *, head: bool = True) -> str:
    """The lines of a grid; columns of numbers are aligned at the right."""
    from rich.box import Box
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    rule = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
    grid = Grid(box=rule, show_edge=False, show_header=head, pad_edge=False, padding=(0, 1, 0, 0), header_style=None)
    widths = _widths(columns, width)
    for title, texts in columns.items():
        numbers = head and all(map(_NUMBER.fullmatch, texts))
        grid.add_column(Text(title), width=widths[title], justify="right" if numbers else "left", overflow="fold")
    for texts in zip(*columns.values(), strict=True):
        grid.add_row(*(Text(_unbroken(text, widths[title])) for title, text in zip(columns, texts, strict=True)))
    out = io.StringIO()
    Console(file=out, width=_total(widths.values()) + 1, color_system=None, legacy_windows=False).print(grid)
    return "\n".join(spaced(line).rstrip() for line in out.getvalue().splitlines())


def _widths(columns: Mapping[str, Sequence[str]], width: int | None) -> dict[str, int]:
    """Each column has its least width; what is left goes to the columns that lack least."""
    natural = {title: max(map(_cells, (title, *texts)), default=0) for title, texts in columns.items()}
    if width is None:
        return natural
    widths = {title: _least(title, texts) for title, texts in columns.items()}
    spare = width - _total(widths.values())
    for title in sorted(widths, key=lambda title: natural[title] - widths[title]):
        more = max(min(natural[title] - widths[title], spare), 0)
        widths[title] += more
        spare -= more
    while spare < 0 and max(widths.values(), default=0) > 1:
        widths[max(widths, key=lambda title: widths[title])] -= 1
        spare += 1
    return widths


def _least(title: str, texts: Sequence[str]) -> int:
    """The width below which a column would break its short texts, or a word that is not a long path or address."""
    natural = max(map(_cells, (title, *texts)))
    words = (word for text in texts for word in text.split())
    if natural <= _UNBROKEN:
        return natural
    longest = max((min(_cells(word), _LONGEST_PLACE) if "/" in word else _cells(word) for word in words), default=0)
    return min(natural, max(_NARROWEST, _cells(title), longest))


def _total(widths: Iterable[int]) -> int:
    column_widths = list(widths)
    return sum(column_widths) + len(_GAP) * (len(column_widths) - 1)


def _cells(text: str) -> int:
    """The widest line, in cells of a terminal; a Chinese character takes two."""
    if text.isascii() and "\n" not in text:
        return len(text)
    from rich.cells import cell_len

    return max(map(cell_len, text.split("\n")))


def _unbroken(text: str, width: int) -> str:
    """The text with whole commands, unless one is too wide for the column."""
    whole = with_whole_commands(text)
    return whole if max(map(len, whole.split()), default=0) <= width else text
