"""What an adapter says about itself, read from its syntax tree: it is not run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.extensions.forks.errors import OfficialCodeError
from datasets_registry import foreign_files
from methods import Extra

_LARGEST = 2**20


@dataclass(frozen=True)
class AdapterFile:
    """The constants of an adapter.

    Args:
        folder: REPOSITORY, relative to the adapter; by default the clone that it lies in.
        name: NAME of the method; by default the name of the file.
        uses: USES, what it sees besides the labelled images (`Extra`); None if it does not say.
    """

    folder: Path
    name: str
    uses: tuple[str, ...] | None


def read_adapter(path: Path) -> AdapterFile:
    """Read an adapter. Raises OfficialCodeError for one without a function `train`, or with other words in USES."""
    try:
        tree = ast.parse(foreign_files.read_text(path, _LARGEST))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise OfficialCodeError(f"The adapter {path} cannot be read: {error}.") from error
    if not any(isinstance(node, ast.FunctionDef) and node.name == "train" for node in tree.body):
        raise OfficialCodeError(
            f"The adapter {path} has no function train(task); `etl-bench doctor docs forks` has one."
        )
    known = dict(_constants(tree))
    if "REPOSITORY" in known:
        folder = path.parent / str(known["REPOSITORY"])
    else:
        folder = next((one for one in path.parents if (one / ".git").exists()), path.parent)
    return AdapterFile(folder, str(known.get("NAME", path.stem)), _uses(path, known) if "USES" in known else None)


def _constants(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """The names at the top level that have a plain value; None for another one."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                yield node.targets[0].id, ast.literal_eval(node.value)
            except (ValueError, TypeError, RecursionError, MemoryError):
                yield node.targets[0].id, None


def _uses(path: Path, known: dict[str, Any]) -> tuple[str, ...]:
    found = known["USES"]
    if not isinstance(found, list | tuple) or any(one not in set(Extra) for one in found):
        raise OfficialCodeError(f"USES of the adapter {path} is {found!r}. It is a list of: {', '.join(Extra)}.")
    return tuple(dict.fromkeys(map(str, found)))
