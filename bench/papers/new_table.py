"""Checks a paper's table before it enters the ledger: its source, its cells, its averages, and what the ledger has."""

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench._util.words import counted
from bench.analysis import HConvention
from bench.bounds import LONGEST_NAME, plain_text
from bench.errors import UsageError
from bench.papers.addresses import ALLOWED, is_address
from bench.papers.arithmetic import CONVENTIONS, mismatches
from bench.papers.printed_averages import AVERAGE, DATASETS, averaged, convention, number_of
from bench.papers.published_numbers import (
    ADDED_COLUMNS,
    KEYS,
    errata_of,
    method_of,
    published_frame,
    published_methods,
    value_columns,
)
from bench.results import known_methods, write_atomically
from datasets_registry import foreign_files

PROTOCOL_SPLITS = {
    "base-to-new": ("base", "new", "H"),
    "few-shot": ("all",),
    "zero-shot": ("all",),
    "test-time": ("all",),
    "cross-dataset": ("all", "target"),
    "domain-generalization": ("all", "target"),
}
_BACKBONE = re.compile(r"[A-Za-z0-9._-]+\.[A-Za-z0-9._-]+")
_CELL = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?(±[0-9]{1,3}(\.[0-9]{1,6})?)?")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\.csv")
_SHOTS = re.compile(r"[0-9]{1,6}")
_SHOWN, _MOST_PROBLEMS = 8, 100
MOST_ROWS = 10_000
"""Rows of a file, ten times those of all shipped tables."""
LARGEST_TABLE = 8 * 2**20
"""Bytes of a file."""
MOST_SHOTS = 100_000
"""Images per class; ImageNet has at most 1,300."""

TableLine = Mapping[str, str]


@dataclass(frozen=True)
class TableCheck:
    """The result of checking a table: numbers it holds, what is wrong with it, and what a reader should know."""

    numbers: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def check_table(path: Path) -> TableCheck:
    """Check a CSV file with the columns of `ADDED_COLUMNS` and one column per dataset.

    Numbers are kept as printed: one that contradicts its own table or other tables is a note and no problem.

    Raises UsageError if the file cannot be read or lacks a column.
    """
    lines = _lines(path)
    problems = [f"line {number}: {text}" for number, line in lines for text in _line_problems(line)]
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        return TableCheck(0, (*problems[:_MOST_PROBLEMS], *([f"and {more} more"] if more > 0 else [])), ())
    rows = [line for _, line in lines]
    problems += _repeated(rows)
    notes = [*_arithmetic(rows), *_known(rows), *_titles(rows)]
    numbers = sum(bool(line[name]) for line in rows for name in value_columns(line))
    return TableCheck(numbers, tuple(problems), tuple(notes))


def add_table(path: Path) -> Path:
    """Copy a checked table into `added/` of the checkout that this package runs from, and return the copy.

    Raises UsageError if the package is installed without a checkout, the name is not plain, or the copy would replace
    another file.
    """
    package = Path(__file__).resolve().parent
    if not (package.parent.parent / "pyproject.toml").is_file():
        raise UsageError("This package does not run from a checkout; clone the repository and run the command there.")
    if not _NAME.fullmatch(path.name):
        raise UsageError(f"{path.name!r} cannot be a name in the ledger; rename it, such as author2026-method.csv.")
    target = package / "added" / path.name
    if target.exists():
        raise UsageError(f"{target} exists already; choose another name, or edit that file.")
    target.parent.mkdir(exist_ok=True)
    write_atomically(target, foreign_files.read_bytes(path, LARGEST_TABLE))
    return target


def _lines(path: Path) -> list[tuple[int, TableLine]]:
    try:
        text = foreign_files.read_bytes(path, LARGEST_TABLE).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} cannot be read as UTF-8 text ({error}).") from error
    if (lines := max(text.count("\n"), text.count("\r"))) > MOST_ROWS + 1:  # a header is one of them
        raise UsageError(f"{path} has {lines} lines; at most {MOST_ROWS} rows are read, and a paper's table has fewer.")
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = list(reader.fieldnames or ())
        rows = [(reader.line_num, line) for line in reader]
    except csv.Error as error:
        raise UsageError(
            f"{path} is not CSV ({error}); write a row per line and put text into double quotes."
        ) from error
    allowed = [*ADDED_COLUMNS, *DATASETS, *sorted(_known_columns())]
    if missing := [name for name in ADDED_COLUMNS if name not in header]:
        raise UsageError(f"{path} lacks the column {missing[0]!r}; it needs {', '.join(ADDED_COLUMNS)} and datasets.")
    if unknown := [name for name in header if name not in allowed]:
        raise UsageError(f"{path} has the unknown column {unknown[0]!r}; datasets are {', '.join(allowed[11:])}.")
    if len(set(header)) < len(header):
        raise UsageError(f"{path} has the column {Counter(header).most_common(1)[0][0]!r} twice; keep one of them.")
    if not rows:
        raise UsageError(f"{path} has no row below its header.")
    if longer := [number for number, line in rows if None in line]:
        raise UsageError(
            f"{path}, line {longer[0]}: more cells than the header has; put a cell with a comma in quotes."
        )
    return [(number, {name: cell or "" for name, cell in line.items()}) for number, line in rows]


def _known_columns() -> set[str]:
    return set(published_frame()["dataset"]) - set(DATASETS)


def _label_problems(line: TableLine) -> Iterator[str]:
    """Labels that cannot be shown on a page or in a terminal."""
    for name in ADDED_COLUMNS:
        if len(line[name]) > LONGEST_NAME:
            yield f"{name} has {len(line[name])} characters; at most {LONGEST_NAME} are allowed"
            continue
        try:
            plain_text(line[name])
        except ValueError as error:
            yield f"{name} {line[name]!r}: {error}"


def _line_problems(line: TableLine) -> Iterator[str]:
    if unsafe := list(_label_problems(line)):
        yield from unsafe
        return
    for name in ("reported_in", "source_table", "method", "protocol", "backbone", "split", "metric"):
        if not line[name]:
            yield f"{name} is empty"
    if not is_address(line["url"]):
        yield f"url {line['url']!r} is no address under which the number can be looked up; give {ALLOWED}"
    splits = PROTOCOL_SPLITS.get(line["protocol"])
    if splits is None:
        yield f"protocol {line['protocol']!r} is unknown; allowed: {', '.join(PROTOCOL_SPLITS)}"
    elif line["split"] not in splits:
        yield f"split {line['split']!r} does not belong to {line['protocol']}; allowed: {', '.join(splits)}"
    if not _BACKBONE.fullmatch(line["backbone"]):
        yield f"backbone {line['backbone']!r} is not written as arch.tag, such as ViT-B-16.openai"
    if line["shots"] and not (_SHOTS.fullmatch(line["shots"]) and int(line["shots"]) <= MOST_SHOTS):
        yield f"shots {line['shots']!r} is not a number of at most {MOST_SHOTS:,}"
    if line["metric"] != "accuracy":
        yield f"metric {line['metric']!r} is not accuracy, the only one that tables can be added for"
    cells = {name: line[name] for name in value_columns(line) if line[name]}
    if not cells:
        yield "it holds no number"
    for name, cell in cells.items():
        if not _CELL.fullmatch(cell) or float(cell.partition("±")[0]) > 100:
            yield f"{name} holds {cell!r:.60}, which is not an accuracy in per cent, such as 71.66 or 71.66±0.3"


def _repeated(rows: Sequence[TableLine]) -> Iterator[str]:
    """Rows that occur twice in the file, or whose source is in the ledger with the same number."""
    seen: set[tuple[str, ...]] = set()
    frame = published_frame()
    listed = set(
        frame[["reported_in", "source_table", "method", "variant", "backbone", "split", "dataset"]].itertuples(
            index=False, name=None
        )
    )
    for line in rows:
        key = tuple(line[name] for name in (*KEYS, "reported_in", "source_table"))
        if key in seen:
            yield f"two rows are of {_what(line)}"
        seen.add(key)
        place = (line["reported_in"], line["source_table"], line["method"], line["variant"], line["backbone"])
        again = [name for name in value_columns(line) if line[name] and (*place, line["split"], name) in listed]
        if again:
            yield f"{_what(line)}: the ledger has {again[0]} of this table already"


def _arithmetic(rows: Sequence[TableLine]) -> Iterator[str]:
    """H and averages that do not follow from the other numbers of their table, and the convention of the average H."""
    conventions: Counter[HConvention] = Counter()
    for splits in _by_method(rows):
        over = {split: averaged(line, AVERAGE) for split, line in splits.items() if line.get(AVERAGE)}
        for one in mismatches(splits, DATASETS, over):
            yield f"{_what(splits[one.split])}: {one.text}"
        if found := convention(splits, over.get("H", ())):
            conventions[found] += 1
    for found, count in conventions.items():
        yield f"convention of the average H: {CONVENTIONS[found]} ({counted(count, 'row')})"


def _by_method(rows: Sequence[TableLine]) -> list[dict[str, TableLine]]:
    """The rows of each method in each table, by split."""
    groups: dict[tuple[str, ...], dict[str, TableLine]] = defaultdict(dict)
    for line in rows:
        groups[method_of(line)][line["split"]] = line
    return list(groups.values())


def _known(rows: Sequence[TableLine]) -> Iterator[str]:
    """Numbers that other tables in the ledger print for the same method and cell: equal, or in conflict."""
    frame = published_frame()
    columns = ["method", "variant", "protocol", "backbone", "shots", "split", "dataset"]
    printed: dict[tuple[object, ...], dict[float, list[str]]] = defaultdict(lambda: defaultdict(list))
    for *key, value, where in frame[[*columns, "printed", "reported_in"]].itertuples(index=False, name=None):
        printed[tuple(map(str, key))][float(value)].append(where)
    equal, conflicts = 0, []
    for line in rows:
        for name in value_columns(line):
            value = number_of(line[name])
            others = printed.get((*(line[column] for column in columns[:-1]), name))
            if value is None or not others:
                continue
            if value in others:
                equal += 1
            else:
                most = max(others, key=lambda other: len(others[other]))
                tables = counted(len(others[most]), "table")
                conflicts.append(
                    f"{_what(line)}: {name} is {value:.2f}, and {most:.2f} in {tables}, such as {others[most][0]}"
                )
    if equal:
        yield f"{counted(equal, 'number')} printed by other tables too, so not independent"
    yield from conflicts[:_SHOWN]
    if len(conflicts) > _SHOWN:
        yield f"and {len(conflicts) - _SHOWN} more numbers differ from other tables"
    for note in sorted({note for line in rows for note in errata_of(line)}):
        yield f"known error of this source: {note}"


def _titles(rows: Sequence[TableLine]) -> Iterator[str]:
    named = set(known_methods()) | set(published_methods())
    for method in sorted({line["method"] for line in rows} - named):
        yield f"method {method!r} is neither in the registry nor in methods.csv, so pages show its id; check it"


def _what(line: TableLine) -> str:
    variant = f" [{line['variant']}]" if line["variant"] else ""
    return f"{line['method']}{variant}, {line['backbone']}, {line['shots'] or '?'} shots, {line['split']}"
