"""Sweep files: the options of a sweep as TOML. Every sweep keeps one in its runs folder, with the ids of its runs."""

import hashlib
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench._util.atomic_write import write_atomically
from bench.errors import UsageError
from bench.spec import ExperimentSpec
from bench.sweep.request import SweepRequest, option_name
from datasets_registry import did_you_mean

SWEEPS = "sweeps"
"""Folder of the kept sweep files, below the runs folder."""
_PLAN = "plan"
"""Table of a kept sweep file that lists its runs. Reading the options ignores it."""


def read_sweep_file(path: Path) -> dict[str, Any]:
    """The values of a sweep file by field name; raises UsageError if it cannot be read or has an unknown option."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The sweep file {path} cannot be read: {error.strerror or error}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
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


def sweep_toml(request: SweepRequest) -> str:
    """The options that differ from their defaults, and given options whose default depends on the datasets."""
    values = request.model_dump(mode="json")
    fields, given = type(request).model_fields, request.model_fields_set & {"backbones", "protocol"}
    chosen = {
        key: value for key, value in values.items() if key in given or getattr(request, key) != fields[key].default
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
    """The run ids of a kept sweep file; empty for files of the first releases. Raises UsageError if it is damaged."""
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"The plan of a sweep, {file}, cannot be read: {error}. Delete it to go on.") from None
    listed = values.get(_PLAN, {})
    return [str(run_id) for run_id in listed.get("run_ids", [])] if isinstance(listed, dict) else []
