"""Reads a table that others wrote: CSV, Markdown or LaTeX; rows are methods, columns are datasets.

A cell is an accuracy in per cent, or base, new and H with slashes between them. Base, new and H may also be a column
`split` with a row for each, a second line of headings, or part of the headings (`DTD new`). Nothing is executed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.bounds import LONGEST_NAME, printable
from bench.errors import UsageError
from bench.extensions.paper_audit.names import dataset_named, method_named, split_named
from bench.extensions.paper_audit.printed import AVERAGE, PrintedRow, PrintedTable
from datasets_registry import foreign_files, some

LARGEST_TABLE = 2**20
"""Bytes of a file."""
MOST_ROWS, MOST_COLUMNS = 500, 200
FORM = (
    "Rows are methods and columns are datasets; a cell is an accuracy in per cent, or base/new/H with slashes. See "
    "`etl-bench doctor docs paper-audit`."
)
"""What a table must be, for messages."""

Grid = list[list[str]]
_NUMBER = re.compile(r"\d{1,3}(\.\d{1,6})?(±\d{0,3}(\.\d{1,6})?)?")
_SIGNED = re.compile(rf"\(?[+\-−–↑↓]\s*{_NUMBER.pattern}\)?")
_GAPS = ("", "-", "--", "---", "–", "—", "n/a", "na", "nan", "/")
_SPLITS = ("base", "new", "H")
_OTHER_NUMBERS = ("shots", "year", "seeds", "epochs", "params")
"""Headings of columns with numbers that are no accuracies."""


@dataclass(frozen=True)
class _Column:
    """A column with numbers: its dataset (a registered name, the text of an unknown one, or `average`) and split."""

    place: int
    dataset: str
    known: bool
    split: str


def table_of_file(path: Path, protocol: str | None, backbone: str, shots: int) -> PrintedTable:
    """The table of a file. The protocol is found by the splits if it is not given.

    Raises UsageError, which says what is wrong, for a file that holds no such table.
    """
    try:
        text = foreign_files.read_bytes(path, LARGEST_TABLE).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} cannot be read as UTF-8 text ({error}).") from error
    try:
        grid = [row for row in _grid_of(path, text) if any(row)]
        return _table(path.stem, grid, protocol, backbone, shots)
    except (ValueError, csv.Error) as error:
        raise UsageError(f"{path} holds no table of results: {error}. {FORM}") from error


def _grid_of(path: Path, text: str) -> Grid:
    kind = path.suffix.lower()
    rows: Iterable[list[str]]
    if kind == ".tex" or (kind not in (".csv", ".tsv", ".md") and "&" in text and r"\\" in text):
        rows = _latex_rows(text)
    elif kind == ".md" or (kind not in (".csv", ".tsv") and text.lstrip().startswith("|")):
        rows = _markdown_rows(text)
    else:
        rows = csv.reader(text.splitlines(), delimiter="\t" if kind == ".tsv" else ",")
    grid: Grid = []
    for row in rows:
        if len(grid) >= MOST_ROWS or len(row) > MOST_COLUMNS:
            raise ValueError(f"it has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns, the most that are read")
        cells = [one.strip("*% \t") for one in row]
        if long := next((one for one in cells if len(one) > LONGEST_NAME), ""):
            raise ValueError(f"the cell {long[:40]!r}... has more than {LONGEST_NAME} characters")
        grid.append([printable(re.sub(r"\s*(±|\+/-|\+-)\s*", "±", one)) for one in cells])
    return grid


def _markdown_rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        cells = [_plain(one) for one in line.strip().strip("|").split("|")]
        if "|" in line and not all(re.fullmatch(r":?-+:?|", one) for one in cells):
            yield cells


def _plain(text: str) -> str:
    """A cell of Markdown without marks and addresses."""
    text = re.sub(r"\[([^\[\]]*)\]\([^()]*\)", r"\1", text.strip())
    return re.sub(r"[*`]|</?[a-z]{1,6}>|(?<!\w)_|_(?!\w)", "", text).strip()


_SPAN = re.compile(r"\\multicolumn\{(\d{1,2})\}\{[^{}]*\}")
_OPTION = r"(?:\[[^\[\]]*\])?"
_RULES = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|addlinespace|cmidrule|cline)(?:\([^()]*\))?" + _OPTION + r"(?:\{[\d-]*\})?"
    r"|\\(?:rowcolor|cellcolor|arrayrulecolor|textcolor|color)" + _OPTION + r"\{[^{}]*\}"
)
_ASIDES = re.compile(
    r"~?\\(?:cite[a-z]*|ref|footnotemark|footnotetext|footnote|label|vspace|hspace|multirow\{[^{}]*\})\*?"
    + _OPTION
    + r"\{[^{}]*\}"
)
_COMMAND = re.compile(r"\\[a-zA-Z]+\*?|[{}$~]")
_BEGIN = re.compile(r"\\begin\{(tabular|tabularx|tabular\*|array)\}")
_ARGUMENT = r"\s*(?:\[[^\[\]]*\]|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})"


def _latex_rows(text: str) -> Iterator[list[str]]:
    text = re.sub(r"(?<!\\)%[^\n]*", "", text)
    if begin := _BEGIN.search(text):
        text = text[begin.end() :].partition(f"\\end{{{begin[1]}}}")[0]
        most = 2 if begin[1] in ("tabularx", "tabular*") else 1
        text = re.sub(rf"\A(?:{_ARGUMENT}){{1,{most}}}", "", text)
    for line in re.split(r"\\\\(?:\[[^\[\]]*\])?|\\tabularnewline", text):
        cells: list[str] = []
        for one in re.split(r"(?<!\\)&", _RULES.sub("", line)):
            span = _SPAN.search(one)
            cells += [_without_commands(_SPAN.sub("", one))] * (min(int(span[1]), MOST_COLUMNS) if span else 1)
        yield cells


def _without_commands(text: str) -> str:
    r"""The text of a LaTeX cell.

    Example:
        >>> _without_commands(r"\textbf{CoOp}~\cite{zhou}"), _without_commands(r"$71.66_{\pm 0.3}$")
        ('CoOp', '71.66±0.3')
    """
    text = _ASIDES.sub("", text).replace(r"\pm", "±").replace(r"\Delta", "Δ")
    text = text.replace(r"\%", "").replace(r"\&", "&").replace(r"\_", "_")
    text = " ".join(_COMMAND.sub(" ", text).replace("_ ±", "±").split())
    return re.sub(r"\s*_?\s*±\s*", "±", text)


def _table(name: str, grid: Grid, protocol: str | None, backbone: str, shots: int) -> PrintedTable:
    first = next((place for place, row in enumerate(grid) if any(map(_is_number, row[1:]))), None)
    if not first:
        raise ValueError("it has no row of headings above rows with numbers")
    width = max(map(len, grid))
    grid = [row + [""] * (width - len(row)) for row in grid]
    while first > 1 and _is_group(grid[first - 1]):
        first -= 1
    heads, below = grid[:first][-2:], grid[first:]
    label = next((place for place, text in enumerate(heads[-1]) if text.casefold() == "method"), 0)
    body = [row for row in below if not _is_group(row) or row.count("") == width - 1]
    split = _split_column(heads[-1], body, label)
    body, differences = _without_differences(body, label, split)
    columns, left_out = _columns(heads, body, {label, split})
    known = [one.dataset for one in columns if one.known and one.dataset != AVERAGE]
    if not known:
        given = some([one.dataset for one in columns] or [text for text in heads[-1] if text])
        turned = sum(bool(dataset_named(row[label])) for row in body) > 1
        advice = "; its rows are, so turn it around" if turned else ""
        raise ValueError(f"no column is a dataset that is known here ({given}){advice}")
    rows = _rows(body, label, split, columns)
    printed = [text for row in rows for cells in row.cells.values() for text in cells.values()]
    if printed and all(float(text.partition("±")[0]) <= 1 for text in printed):
        raise ValueError("all its numbers are at most 1, so they are fractions; give per cent, such as 92.1 for 0.921")
    others = dict.fromkeys([*(next(filter(None, row)) for row in below if _is_group(row)), *differences])
    labels, splits = {row.label for row in rows}, {name for row in rows for name in row.cells}
    if protocol is None:
        protocol = "base-to-new" if splits & {"base", "new"} else "few-shot"
    if (protocol == "base-to-new") != bool(splits & {"base", "new"}):
        needed = "base and new accuracies" if protocol == "base-to-new" else "one accuracy for each dataset"
        raise ValueError(f"a table of {protocol} has {needed}, and this one has {', '.join(sorted(splits))}")
    return PrintedTable(
        name=name,
        protocol=protocol,
        backbone=backbone,
        shots=shots,
        rows=rows,
        datasets=tuple(dict.fromkeys(known)),
        unknown=tuple(dict.fromkeys(one.dataset for one in columns if not one.known)),
        notes=(
            *(f"The column {text!r} holds no accuracies, so it is left out." for text in left_out),
            *(f"The row {text!r} holds no accuracies, so it is left out." for text in others if text not in labels),
        ),
    )


def _is_group(row: Sequence[str]) -> bool:
    """Whether a row has only the name of a group of methods, in one column or in all that it spans."""
    (text, *others) = {one for one in row if one} or {""}
    if others or text.casefold() in _GAPS or _is_number(text):
        return False
    return not split_named(text) and not dataset_named(text)


def _without_differences(body: Grid, label: int, split: int) -> tuple[Grid, list[str]]:
    """The rows but for those of differences of methods, which have a Δ or mostly signs, and the names of these."""
    kept, names, name = [], [], ""
    for row in body:
        name = row[label] or (name if split >= 0 else "")
        parts = [part.strip() for place, text in enumerate(row) if place != label for part in text.split("/")]
        signed, unsigned = (sum(bool(one.fullmatch(part)) for part in parts) for one in (_SIGNED, _NUMBER))
        if re.match("Δ(?![a-zA-Z])", name) or signed > unsigned:
            names.append(name)
        else:
            kept.append(row)
    return kept, names


def _split_column(head: Sequence[str], body: Grid, label: int) -> int:
    """The place of the column with the words base, new and H; -1 if there is none."""
    for place in range(len(head)):
        words = [row[place] for row in body if row[place]]
        if place != label and words and all(split_named(word) in (*_SPLITS, "all") for word in words):
            return place
    return -1


def _columns(heads: Grid, body: Grid, others: set[int]) -> tuple[list[_Column], list[str]]:
    """The columns with accuracies, and the headings of those that hold other things."""
    found, left_out, above = [], [], ""
    for place, text in enumerate(heads[-1]):
        above = (heads[0][place] or above) if len(heads) > 1 else ""
        if place in others or text.casefold() in _OTHER_NUMBERS or not any(_is_number(row[place]) for row in body):
            continue
        column = _column(place, above, text)
        if all(_is_accuracy(row[place]) for row in body):
            found.append(column)
        elif column.known:
            wrong = next(row[place] for row in body if not _is_accuracy(row[place]))
            raise ValueError(f"the column {column.dataset!r} holds {wrong!r}, which is no accuracy in per cent")
        else:
            left_out.append(column.dataset)
    keys = [(one.dataset, one.split) for one in found]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise ValueError(f"two columns are of {' '.join(filter(None, twice))}")
    return found, left_out


def _column(place: int, above: str, text: str) -> _Column:
    """A column by its one or two headings; the last word may be the split."""
    before, _, last = text.rpartition(" ")
    for name, word in ((above, text), (text, ""), (before, last)):
        split = split_named(word)
        if split != AVERAGE and (dataset := AVERAGE if split_named(name) == AVERAGE else dataset_named(name)):
            return _Column(place, dataset, True, split if split in _SPLITS else "")
    split = split_named(last)
    named = (above or before) if split in _SPLITS else text
    return _Column(place, named or f"column {place + 1}", False, split if split in _SPLITS else "")


def _rows(body: Grid, label: int, split: int, columns: Sequence[_Column]) -> tuple[PrintedRow, ...]:
    found: dict[str, dict[str, dict[str, str]]] = {}
    name = ""
    for row in body:
        name = row[label] or (name if split >= 0 else "")
        if not any(_is_number(row[one.place]) for one in columns):
            continue
        if not name:
            raise ValueError("a row with numbers has no name of a method")
        of_row = split_named(row[split]) if split >= 0 else ""
        for column in columns:
            for part, text in _parts(row[column.place], column.split or of_row).items():
                cells = found.setdefault(name, {}).setdefault(part, {})
                if column.dataset in cells:
                    raise ValueError(f"two rows are of {name!r}; give one table for each setting")
                cells[column.dataset] = text
    return tuple(PrintedRow(label, method_named(label), cells) for label, cells in found.items())


def _parts(text: str, split: str) -> Mapping[str, str]:
    """The numbers of a cell by split: one, or base, new and H with slashes between them."""
    if text.casefold() in _GAPS:
        return {}
    numbers = [one.strip() for one in text.split("/")]
    if len(numbers) == 1:
        return {split or "all": numbers[0]}
    return {name: one for name, one in zip(_SPLITS, numbers, strict=False) if one}


def _is_number(text: str) -> bool:
    parts = [one.strip() for one in text.split("/")]
    return len(parts) <= len(_SPLITS) and all(_NUMBER.fullmatch(one) for one in parts)


def _is_accuracy(text: str) -> bool:
    parts = [one.strip() for one in text.split("/")]
    return text.casefold() in _GAPS or (_is_number(text) and all(float(one.partition("±")[0]) <= 100 for one in parts))
