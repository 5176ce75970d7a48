"""Papers as files: for each table and figure its runs, and the printed numbers that it is compared with.

A paper is one TOML file. `[sweep]` holds what all experiments share, a table such as `[table-2]` is one experiment, and
each `[[table-2.sweep]]` is a sweep with the names of a sweep file. A value may be a list, also in `set`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bench.bounds import LARGEST_RECORD, printable
from bench.errors import UsageError
from bench.sweep import Plan, SweepRequest, outline_of
from datasets_registry import (
    BenchError,
    EvalProtocol,
    UnknownNameError,
    did_you_mean,
    foreign_files,
    has_imported_features,
    spelling,
)

_FOLDER = resources.files("bench.papers") / "experiments"
_NAME = re.compile(rf"(table|figure)-[0-9]+[a-z]?|{'|'.join(EvalProtocol)}|first-hour")
"""Names of experiments: as numbered in the paper, or the protocol, or the beginning of a board."""


_STRICT = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda name: name.replace("_", "-"))
_Text = Annotated[str, StringConstraints(min_length=1)]
_Names = Annotated[tuple[str, ...], Field(min_length=1)]


class PaperSweep(BaseModel):
    """Runs of an experiment in the names of a sweep file; what is left out is that of the paper, or the default."""

    model_config = _STRICT

    methods: _Names | None = None
    datasets: _Names | None = None
    backbones: _Names | None = None
    targets: tuple[str, ...] | None = None
    protocol: str | None = None
    shots: int | str | tuple[int | str, ...] | None = None
    seeds: int | str | tuple[int, ...] | None = None
    set: dict[str, Any] | None = Field(None, description="settings by name; a list holds several values")
    draw: str | None = None
    allow_fewer: bool | None = None
    support: tuple[str, ...] | None = None
    class_text: str | None = None
    selection: str | None = None
    precision: str | None = None

    def options(self, shared: PaperSweep, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The values by the field names of a request, over those that the paper shares, and under the changes.

        The settings of both are joined.
        """
        values = {name: value for sweep in (shared, self) for name, value in sweep if value is not None}
        values |= {name: list(value) for name, value in values.items() if isinstance(value, tuple)}
        settings = (shared.set or {}) | (values.pop("set", None) or {})
        return values | ({"overrides": settings} if settings else {}) | dict(changes)


class Experiment(BaseModel):
    """One table or figure of a paper."""

    model_config = _STRICT

    title: _Text
    sweep: tuple[PaperSweep, ...] = Field(min_length=1, description="the runs")
    printed: tuple[str, ...] = Field((), description="tables of the ledger, of this paper, with its numbers")
    note: str = Field("", description="what differs from the paper")


class PaperHeader(BaseModel):
    """What a paper file says besides its experiments."""

    model_config = _STRICT

    title: _Text
    address: _Text = Field(description="such as arXiv:2311.15569")
    reported_in: str = Field("", description="the paper's name in the ledger; empty: numbers that any source prints")
    note: str = Field("", description="what holds for all experiments")
    without_runs: dict[str, str] = Field({}, description="tables and figures that need no runs, and what they show")
    gpu_hours: dict[str, float] = Field({}, description="estimated for each table and figure, and for all together")
    sweep: PaperSweep = PaperSweep()


@dataclass(frozen=True)
class Paper:
    """A paper with its experiments by name, such as `table-2`, in the order of the file.

    Args:
        name: as the command takes it.
        file: path of a user's file; None for a shipped paper.
        lines: number of the line of each key, by the path of keys.
    """

    name: str
    file: Path | None
    header: PaperHeader
    experiments: Mapping[str, Experiment]
    lines: Mapping[tuple[str | int, ...], int]
    text: str

    def named(self, what: str) -> str:
        """The name of a table or figure; UnknownNameError with near misses, and UsageError for one without runs."""
        name = what.lower().replace(" ", "-").replace("fig-", "figure-")
        if (reason := self.header.without_runs.get(name)) is not None:
            raise UsageError(
                f"Nothing to run: {name} of {self.name} is {reason}. It has: {', '.join(self.experiments)}."
            )
        if name not in self.experiments:
            raise UnknownNameError(f"table or figure of {self.name}", what, self.experiments)
        return name

    def outlines(self, what: str, **changes: Any) -> list[Plan]:
        """The sweeps of a table or figure, as if all data were there.

        `changes` replace what the file says, and say how and where it is run.

        Raises as `named` does, and UsageError, which names the line, for an unknown name or value. The values of a
        shipped file are valid.
        """
        plans = []
        for number, sweep in enumerate(self.experiments[self.named(what)].sweep):
            try:
                request = SweepRequest.build(**sweep.options(self.header.sweep, changes))
                plans.append(outline_of(request, unchecked=self.file is None))
            except BenchError as error:
                raise self.located((what, "sweep", number), str(error)) from error
        return plans

    def imported_features(self) -> dict[str, str]:
        """The datasets that exist only as imported features, each with the model that computed them."""
        models: dict[str, str] = {}
        for sweep in (sweep for experiment in self.experiments.values() for sweep in experiment.sweep):
            options = sweep.options(self.header.sweep, {})
            for backbone in filter(has_imported_features, options.get("backbones", ())):
                models |= dict.fromkeys(options["datasets"], backbone.partition(".")[2])
        return models

    def located(self, path: Sequence[str | int], message: str) -> UsageError:
        """An error about the value at that path, after its line, or that of the first name that the message quotes."""
        start = _line_of(self.lines, path)
        later = [line for key, line in self.lines.items() if line > start and key[: len(path)] != tuple(path)]
        block = self.text.splitlines()[start - 1 : (min(later) - 1) if later else None]
        words = [
            rf"(?<![\w-]){re.escape(name.partition('=')[0])}(?![\w-])" for name in re.findall(r"'([^']+)'", message)
        ]
        places = (start + offset for word in words for offset, line in enumerate(block) if re.search(word, line))
        return _error(self.file or Path(f"{self.name}.toml"), self.text, next(places, start), message)


def shipped_papers() -> list[str]:
    """The names of the papers that this package ships."""
    return sorted(item.name.removesuffix(".toml") for item in _FOLDER.iterdir() if item.name.endswith(".toml"))


def read_paper(name: str) -> Paper:
    """A shipped paper by name, without regard to case and punctuation, or a file by its path.

    Raises UnknownNameError for an unknown paper, and UsageError, which names the line, for a wrong file.
    """
    path, papers = Path(name).expanduser(), {spelling(paper): paper for paper in shipped_papers()}
    if spelling(name) in papers:
        name = papers[spelling(name)]
        file, text = None, (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    elif path.suffix == ".toml":
        try:
            file, text = path, foreign_files.read_text(path, LARGEST_RECORD)
        except OSError as error:
            raise UsageError(f"The paper file {path} cannot be read: {error.strerror or error}.") from None
    else:
        raise UnknownNameError("paper", name, papers.values(), " A file of your own is given by its path, PAPER.toml.")
    return parse_paper(text, name if file is None else path.stem, file)


def parse_paper(text: str, name: str, file: Path | None = None) -> Paper:
    """A paper from the text of its file; raises UsageError, which names the line."""
    place = file or Path(f"{name}.toml")
    try:
        values = foreign_files.parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        position = re.search(r"\(at line (\d+),", str(error))
        raise _error(place, text, int(position[1]) if position else 1, f"not TOML: {error}.") from None
    except ValueError as error:
        raise _error(place, text, 1, f"not valid TOML: {error}.") from None
    lines = dict(_lines(text))
    header_tables = ("sweep", "without-runs", "gpu-hours")
    experiments = {key: value for key, value in values.items() if isinstance(value, dict) and key not in header_tables}
    header = {key: value for key, value in values.items() if key not in experiments}
    for key in experiments:
        if not _NAME.fullmatch(key):
            allowed = [*PaperHeader.model_fields, "table-1", "figure-1"]
            problem = f"{key!r} is not the name of a table or figure.{did_you_mean(key, allowed)} Write [table-2], "
            raise _error(place, text, lines.get((key,), 1), f"{problem}[figure-8] or a protocol, such as [few-shot].")
    path: tuple[str, ...] = ()
    checked = {}
    try:
        checked_header = PaperHeader.model_validate(header)
        for key, value in experiments.items():
            path = (key,)
            checked[key] = Experiment.model_validate(value)
    except ValidationError as error:
        raise _problem(place, text, lines, path, error) from None
    if not checked:
        raise _error(place, text, 1, "no table or figure; write [table-2] with a title and a [[table-2.sweep]].")
    return Paper(name, file, checked_header, checked, lines, text)


def _problem(
    file: Path, text: str, lines: Mapping[tuple[str | int, ...], int], path: tuple[str, ...], error: ValidationError
) -> UsageError:
    """The first problem of a validation, with the line and, for a wrong key, near misses."""
    first = min(error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
    where = (*path, *first["loc"])
    problem = f"{'.'.join(map(str, where))}: {first['msg'].rstrip('.')}."
    if first["type"] == "extra_forbidden":
        model = PaperSweep if "sweep" in where[:-1] else Experiment if path else PaperHeader
        allowed = [str(field.alias) for field in model.model_fields.values()]
        problem = f"unknown key {where[-1]!r}.{did_you_mean(str(where[-1]), allowed)} Allowed: {', '.join(allowed)}."
    elif first["type"] == "missing":
        problem = f"{where[-1]!r} is missing."
    return _error(file, text, _line_of(lines, where), problem)


def _line_of(lines: Mapping[tuple[str | int, ...], int], path: Sequence[str | int]) -> int:
    """The line of the path, or of the nearest path above it."""
    above = (tuple(path[:end]) for end in range(len(path), 0, -1))
    return next((lines[key] for key in above if key in lines), 1)


def _error(file: Path, text: str, line: int, problem: str) -> UsageError:
    excerpt = printable("".join(text.splitlines()[line - 1 : line]).strip())[:60]
    return UsageError(f"The paper file {file}, line {line}, {excerpt!r}: {problem}")


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[\w.\-]+)\s*=""")


def _lines(text: str) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """The path of each table and key of a TOML text, with its line. Keys inside inline tables are left out."""
    at: tuple[str | int, ...] = ()
    counts: dict[tuple[str | int, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line):
            at = ()
            parts = [part.strip().strip("\"'") for part in header[2].split(".")]
            for part in parts[:-1]:
                at = (*at, part)
                if at in counts:
                    at = (*at, counts[at])
            at = (*at, parts[-1])
            if header[1] == "[[":
                counts[at] = counts.get(at, -1) + 1
                yield at, number
                at = (*at, counts[at])
            yield at, number
        elif key := _KEY.match(line):
            name = key[1]
            inner = (name.strip("\"'"),) if name[0] in "\"'" else tuple(name.split("."))
            yield (*at, *inner), number
