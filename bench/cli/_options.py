"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli._print import remark
from bench.errors import UsageError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def runs_to_read(folder: Path) -> Path:
    """The given folder, or the only folder below it with runs, which is then named on standard error."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--runs {folder} is a file; give the folder that contains the runs.")
    if not folder.is_dir() or (folder / "shards").is_dir():
        return folder
    from bench.api import runs_below

    below = runs_below(folder)
    if len(below) > 1:
        raise UsageError(
            f"{folder} has no runs, but {', '.join(map(str, below))} do; choose one, such as --runs {below[0]}."
        )
    if below:
        remark(f"note: {folder} has no runs; using the runs of {below[0]}")
    return below[0] if below else folder
