"""Tables as text. In a terminal they are as wide as the terminal: words stay whole, and spare columns are left out."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Collection, Mapping, Sequence

from bench._util.terminal import spaced, with_whole_commands
from bench.bounds import printable

_GAP = "  "
_UNBROKEN = 20
"""A column of at most this many characters keeps its lines."""
_NARROWEST = 18
"""The fewest characters of a column with broken lines."""
_LONGEST_PLACE = 30
"""Longer paths and addresses may be broken; names are not."""
_NUMBER = re.compile(r"([<+−]? ?\d[\d.,]*|unknown)( (s|min|h|%|[MG]i?B))?|–|")
"""Cells of columns that are aligned at the right."""


def rows_text(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str] | None, width: int | None, spare: Sequence[str]
) -> tuple[str, list[str]]:
    """Rows as lines of a table, and the names of the columns that were left out; see `table_text`."""
    columns = columns or list(rows[0] if rows else ())
    head = [column.replace("_", " ") for column in columns]
    cells = [[as_text(row.get(column)) for column in columns] for row in rows]
    return table_text(head, cells, width, [name.replace("_", " ") for name in spare])


def wide_text(rows: Sequence[Mapping[str, object]], labels: Sequence[str], width: int | None) -> str:
    """Rows as a table whose columns keep their names; those without room go on in further tables.

    Args:
        labels: columns that say what a row is; they stand in each table.
        width: characters of a line; None for one table of any width.
    """
    first = [name for name in labels if rows and name in rows[0]]
    cells = {name: [as_text(row.get(name)) for row in rows] for name in (rows[0] if rows else ())}
    room = {name: len(_GAP) + max(map(_width, (name, *of))) for name, of in cells.items()}
    parts: list[list[str]] = [[]]
    for name in (name for name in cells if name not in first):
        if width is not None and parts[-1] and sum(room[one] for one in (*first, *parts[-1], name)) > width:
            parts.append([])
        parts[-1].append(name)
    shown = ([*first, *part] for part in parts)
    return "".join(
        table_text(names, list(zip(*(cells[name] for name in names), strict=True)), width, None)[0] for names in shown
    )


def as_text(value: object) -> str:
    """A value as text of a table cell, without terminal control characters; a negative number has `−`."""
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


def table_text(
    head: Sequence[str], cells: Sequence[Sequence[str]], width: int | None = None, spare: Sequence[str] | None = ()
) -> tuple[str, list[str]]:
    """The lines of a table, and the names of the columns that were left out.

    Args:
        head: names of the columns.
        cells: one text per column in each row; a text may have several lines.
        width: characters of a line; None for tables of any width, whose columns are all there.
        spare: columns that are left out first if the table is too wide, in this order. Then the last columns are left
            out. The first two are always there. None leaves none out. Words are broken only where what stays is too
            wide.
    """
    columns = [[line[k] for line in cells] for k in range(len(head))]
    natural = [max(map(_width, [name, *column])) for name, column in zip(head, columns, strict=True)]
    least = [_least(name, column) for name, column in zip(head, columns, strict=True)]
    kept = list(range(len(head)))
    if width is not None and spare is not None:
        first = [list(head).index(name) for name in spare if name in head[2:]]
        kept = _fitting(least, width, [*first, *(k for k in kept[:1:-1] if k not in first)])
    widths = _widths(natural, least, kept, width)
    right = {k for k in kept if all(_NUMBER.fullmatch(text) for text in columns[k])}
    lines = [_row([head[k] for k in kept], widths, [k in right for k in kept])]
    lines.append("─" * _total(widths, range(len(kept))))
    lines += [_row([line[k] for k in kept], widths, [k in right for k in kept]) for line in cells]
    return "\n".join(lines) + "\n", [name for k, name in enumerate(head) if k not in kept]


def facts_text(facts: Sequence[tuple[str, str]], width: int | None = None) -> str:
    """Named values, one per line; the values begin in one column."""
    names = max((_width(name) for name, _ in facts), default=0)
    values = max((_width(value) for _, value in facts), default=0)
    room = values if width is None else max(width - names - len(_GAP), _NARROWEST)
    return "".join(_row(fact, [names, room], [False, False]) + "\n" for fact in facts)


def _widths(natural: Sequence[int], least: Sequence[int], kept: Sequence[int], width: int | None) -> list[int]:
    """Each column has its least width; what is left goes to the columns that lack least."""
    if width is None:
        return [natural[k] for k in kept]
    found = {k: least[k] for k in kept}
    left = width - _total(least, kept)
    for k in sorted(kept, key=lambda k: natural[k] - least[k]):
        more = max(min(natural[k] - least[k], left), 0)
        found[k] += more
        left -= more
    while left < 0 and max(found.values(), default=0) > 1:
        found[max(kept, key=lambda k: found[k])] -= 1
        left += 1
    return [found[k] for k in kept]


def _fitting(least: Sequence[int], width: int, spare: Sequence[int]) -> list[int]:
    """The columns that are left when those of `spare` are taken away until the others fit.

    Then those that still have room come back, the last one first.
    """
    kept, away = set(range(len(least))), list[int]()
    for k in spare:
        if _total(least, kept) > width:
            kept.remove(k)
            away.append(k)
    for k in reversed(away):
        if _total(least, kept | {k}) <= width:
            kept.add(k)
    return sorted(kept)


def _least(name: str, column: Sequence[str]) -> int:
    """The width below which a column would break its short texts, or a word that is not a long path or address."""
    natural = max(map(_width, [name, *column]))
    words = [word for text in column for word in text.split()]
    if natural <= _UNBROKEN:
        return natural
    longest = max((min(_width(word), _LONGEST_PLACE) if "/" in word else _width(word) for word in words), default=0)
    return min(natural, max(_NARROWEST, _width(name), longest))


def _total(widths: Sequence[int], kept: Collection[int]) -> int:
    return sum(widths[k] for k in kept) + len(_GAP) * (len(kept) - 1)


def _row(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    blocks = [
        [line for part in text.split("\n") for line in _wrap(part, width)]
        for text, width in zip(texts, widths, strict=True)
    ]
    height = max(map(len, blocks), default=0)
    filled = [block + [""] * (height - len(block)) for block in blocks]
    return "\n".join(_GAP.join(map(_padded, line, widths, right)).rstrip() for line in zip(*filled, strict=True))


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * max(width - _width(text), 0)
    return space + text if right else text + space


def _wrap(text: str, width: int) -> list[str]:
    if _width(text) <= width:
        return [text]
    if text.isascii() or _width(text) == len(text):
        return list(map(spaced, textwrap.wrap(_kept(text, width), width, break_on_hyphens=False))) or [""]
    from rich.cells import chop_cells

    return chop_cells(text, width)


def _kept(text: str, width: int) -> str:
    """The text with whole commands, unless one is too wide for the column."""
    kept = with_whole_commands(text)
    return kept if max(map(len, kept.split())) <= width else text


def _width(text: str) -> int:
    """The widest line, in cells of a terminal; a Chinese character takes two."""
    if text.isascii() and "\n" not in text:
        return len(text)
    from rich.cells import cell_len

    return max(map(cell_len, text.split("\n")))
