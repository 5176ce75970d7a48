"""Results as tables: for terminals, notebooks, JSON and pandas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bench._util.html_tables import html_table
from bench._util.terminal import wrapped
from bench.api.text_table import rows_text

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
Rows = list[dict[str, object]]
WIDTH = 100
"""Characters of a printed line."""


def _nothing() -> str:
    return ""


@dataclass(frozen=True)
class TablePart:
    """One table of a result.

    Args:
        title: says what the numbers are.
        rows: values by column, as they are printed.
        details: further rows, which a terminal prints on request.
        spare: columns that a narrow terminal leaves out, the first one first.
        text: lines below the rows in a terminal.
        picture: HTML above the rows in a notebook.
        detail_notes: notes that a terminal prints with the details.
    """

    title: str
    rows: Rows
    details: Rows = field(default_factory=list)
    spare: Sequence[str] = ()
    text: Callable[[], str] = _nothing
    picture: Callable[[], str] = _nothing
    detail_notes: Sequence[str] = ()


class ResultTable(Generic[T]):
    """Results that are printed as text, shown as tables in a notebook, or read as numbers.

    Args:
        source: the objects of `bench.analysis` or `bench.papers` with the numbers, one per part or row.
        parts: the tables to print.
        notes: warnings for the reader.
        json: plain values of everything, for `to_json`.
        frame: the rows of `to_frame`. Default: the printed rows.
    """

    def __init__(
        self,
        source: Sequence[T],
        parts: Sequence[TablePart],
        *,
        notes: Sequence[str] = (),
        json: Callable[[], object],
        frame: Callable[[], pd.DataFrame] | None = None,
    ) -> None:
        self.source = tuple(source)
        self.parts = tuple(parts)
        self.notes = tuple(notes)
        self._json, self._frame = json, frame

    @property
    def title(self) -> str:
        """The titles of the tables, one per line."""
        return "\n".join(part.title for part in self.parts)

    @property
    def rows(self) -> Rows:
        """The rows of all tables with their details, as they are printed."""
        return [row for part in self.parts for row in (*part.rows, *part.details)]

    def to_frame(self) -> pd.DataFrame:
        """The numbers as pandas; accuracies are fractions 0..1 where a number is not a text."""
        import pandas as pd

        return pd.DataFrame(self.rows) if self._frame is None else self._frame()

    def to_json(self) -> object:
        """The numbers as plain values."""
        return self._json()

    def _repr_html_(self) -> str:
        tables = [
            part.picture() + html_table(part.title, part.rows) + (html_table("", part.details) if part.details else "")
            for part in self.parts
        ]
        notes = [] if tables else [f"<p>{escape(note)}</p>" for note in self.notes]
        return "".join(tables + notes)

    def __str__(self) -> str:
        texts, missing = [], dict[str, None]()
        for part in self.parts:
            tables = [rows_text(rows, None, WIDTH, part.spare) for rows in (part.rows, part.details) if rows]
            texts += [f"{wrapped(part.title, WIDTH)}\n{tables[0][0]}" if tables else part.title]
            texts += [text for text, _ in tables[1:]]
            texts += [wrapped(text, WIDTH) for text in (*part.detail_notes, part.text()) if text]
            missing |= {name: None for _, left_out in tables for name in left_out}
        notes = [f"Left out here, but in `to_frame()`: {', '.join(missing)}."] if missing else []
        return "\n\n".join(
            [*(text.rstrip() for text in texts), *(wrapped(note, WIDTH) for note in (*notes, *self.notes))]
        )

    __repr__ = __str__


def setting_frame(parts: Sequence[tuple[Sequence[Mapping[str, object]], Mapping[str, Any]]]) -> pd.DataFrame:
    """The rows of several settings under each other, each with the facts of its setting."""
    import pandas as pd

    frames: list[pd.DataFrame] = [pd.DataFrame(list(rows)).assign(**facts) for rows, facts in parts]
    return pd.concat(frames, ignore_index=True)
