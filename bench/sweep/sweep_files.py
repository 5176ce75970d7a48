"""Sweep files: the options of a sweep as TOML, with the ids of its runs, and sweeps that are not finished."""

import hashlib
import json
import re
import shlex
import tomllib
from collections.abc import Collection, Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench._util.words import counted
from bench.bounds import printable
from bench.errors import UsageError
from bench.results import Shards, write_atomically
from bench.spec import ExperimentSpec
from bench.sweep.plan import expand
from bench.sweep.request import SweepRequest, option_name
from datasets_registry import DATASETS, BenchError, did_you_mean, foreign_files

LARGEST_PLAN = 64 * 2**20
"""A kept sweep file with the 16 digits of each of its runs; a plan of a million runs has 21 MiB."""

SWEEPS = "sweeps"
"""Folder of the kept sweep files, below the runs folder."""
_PLAN = "plan"
"""Table of a kept sweep file that lists its runs. Reading the options ignores it."""


def read_sweep_file(path: Path) -> dict[str, Any]:
    """The values of a sweep file by field name; raises UsageError if it cannot be read or has an unknown option."""
    try:
        text = foreign_files.read_text(path, LARGEST_PLAN).removeprefix("\ufeff")
        values = foreign_files.parse_toml(text)
    except OSError as error:
        raise UsageError(_unreadable(path, error)) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"The sweep file {path} is not TOML: {_where(text, str(error))}. Write lines such as shots = [1, 4]; "
            "`etl-bench run ... --print-toml` prints a whole file."
        ) from None
    except ValueError as error:
        raise UsageError(f"The sweep file {path} is not valid TOML: {error}.") from None
    values.pop(_PLAN, None)
    fields = {option_name(field): field for field in SweepRequest.model_fields}
    unknown = [name for name in values if name.replace("_", "-") not in fields]
    if unknown:
        raise UsageError(
            f"The sweep file {path} sets the unknown option {unknown[0]!r}.{did_you_mean(unknown[0], list(fields))} "
            f"Allowed: {', '.join(fields)}."
        )
    return {fields[name.replace("_", "-")]: value for name, value in values.items()}


def _unreadable(path: Path, error: OSError) -> str:
    """Why there is no such sweep file; a name without a suffix may be one of a list that a space cut in two."""
    if path.suffix or len(path.parts) != 1 or not isinstance(error, FileNotFoundError | IsADirectoryError):
        return f"The sweep file {path} cannot be read: {error.strerror or error}."
    option = "-d" if path.is_dir() or path.name in DATASETS else "-m"
    return (
        f"There is no sweep file {path}. Methods are given with -m and datasets with -d, separated by commas, without "
        f"spaces, such as {option} FIRST,{path}."
    )


def _where(text: str, problem: str) -> str:
    """The problem of a TOML text, after the line in which the parser found it."""
    located = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", problem)
    if located is None:
        return problem.lower()
    line = text.splitlines()[int(located[2]) - 1 : int(located[2])]
    return f"line {located[2]}, {printable(''.join(line).strip())[:60]!r}: {located[1][:1].lower()}{located[1][1:]}"


def sweep_toml(request: SweepRequest) -> str:
    """Shots, seeds, other options that are not at their defaults, and given ones whose default depends on datasets."""
    values, fields = request.model_dump(mode="json"), type(request).model_fields
    always = {"shots", "seeds"} | request.model_fields_set & {"backbones", "protocol"}
    chosen = {
        key: value for key, value in values.items() if key in always or getattr(request, key) != fields[key].default
    }
    return "".join(f"{option_name(key)} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in chosen.items())


def keep_sweep_file(request: SweepRequest, specs: Iterable[ExperimentSpec]) -> None:
    """Write the request, with the ids of all its runs, to `sweeps/<digest>.toml`; the same request is kept once."""
    text = sweep_toml(request)
    path = request.runs / SWEEPS / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.toml"
    run_ids = ",\n".join(f'  "{spec.run_id}"' for spec in specs)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, f"{text}\n[{_PLAN}]\nrun_ids = [\n{run_ids}\n]\n".encode())


def planned_run_ids(file: Path) -> list[str]:
    """The run ids of a kept sweep file; raises UsageError if it is damaged."""
    try:
        return [str(run_id) for run_id in foreign_files.read_toml(file, LARGEST_PLAN)[_PLAN]["run_ids"]]
    except KeyError:
        reason = "it lists no runs"
    except (OSError, ValueError, TypeError) as error:
        reason = str(error)
    raise UsageError(f"The plan of a sweep, {file}, cannot be read: {reason}. Delete it to go on.")


_NAMED = 3
"""Methods or datasets that a sentence names; it counts the others."""


@dataclass(frozen=True)
class UnfinishedSweep:
    """A sweep with runs that have no result, not even a failed one.

    Args:
        file: the kept sweep file.
        planned: how many runs it has.
        run_ids: of the missing runs.
        missing: those of them that can be expanded from the file; the others have no names.
        command: completes the sweep.
    """

    file: Path
    planned: int
    run_ids: tuple[str, ...]
    missing: tuple[ExperimentSpec, ...]
    command: str

    @property
    def done(self) -> int:
        """The number of runs with a result."""
        return self.planned - len(self.run_ids)

    @property
    def counts(self) -> str:
        """The number of finished runs as text."""
        are = "is" if self.done == 1 else "are"
        return f"Incomplete sweep: {self.done} of {counted(self.planned, 'planned run')} {are} done"

    @property
    def missing_text(self) -> str:
        """The number of missing runs, with their methods and datasets."""
        methods = _names("method", [spec.method for spec in self.missing])
        datasets = _names("dataset", [spec.dataset for spec in self.missing])
        what = f": {methods} on {datasets}" if self.missing else ""
        are = "is" if len(self.run_ids) == 1 else "are"
        return f"{len(self.run_ids)} {are} missing{what}"

    def __str__(self) -> str:
        advice = f"To complete it: `{self.command}`. To drop its plan, delete {self.file}."
        return f"{self.counts}; {self.missing_text}. {advice}"


def unfinished_sweeps(
    runs: Path, on_disk: Container[str] | None = None, *, of: Collection[str] | None = None
) -> list[UnfinishedSweep]:
    """The sweeps with missing runs, newest first. A run that several sweeps planned is missing from the newest alone.

    Args:
        on_disk: ids of the runs with a result; None looks for them.
        of: only sweeps that planned one of these runs; None for all.

    Raises UsageError if a kept sweep file is damaged.
    """
    files = sorted((runs / SWEEPS).glob("*.toml"), key=lambda file: (-file.stat().st_mtime, file.name))
    if not files:
        return []
    stored_ids = set(Shards(runs).scan()) if on_disk is None else on_disk
    sweeps, listed_ids = [], set[str]()
    for file in files:
        planned = planned_run_ids(file)
        missing = [run_id for run_id in planned if run_id not in stored_ids and run_id not in listed_ids]
        listed_ids.update(missing)
        if missing and (of is None or not set(of).isdisjoint(planned)):
            folder, specs = Path(), dict[str, ExperimentSpec]()
            with suppress(BenchError):  # a method or a file of the sweep is gone; running its command says which
                request = SweepRequest.build(**read_sweep_file(file))
                folder, specs = request.runs, {spec.run_id: spec for spec in expand(request).specs}
            elsewhere = "" if folder == runs else f" --runs {shlex.quote(str(runs))}"
            expanded = tuple(specs[run_id] for run_id in missing if run_id in specs)
            command = f"etl-bench run {shlex.quote(str(file))}{elsewhere}"
            sweeps.append(UnfinishedSweep(file, len(planned), tuple(missing), expanded, command))
    return sweeps


def missing_specs(sweeps: Sequence[UnfinishedSweep]) -> list[ExperimentSpec]:
    """The missing runs of several sweeps."""
    return [spec for sweep in sweeps for spec in sweep.missing]


def _names(noun: str, names: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - _NAMED} more" if len(distinct) > _NAMED else ""
    return f"{counted(len(distinct), noun)} ({', '.join(distinct[:_NAMED])}{more})"
