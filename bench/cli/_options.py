"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.api import DEMO_BACKBONE, parse_shots, split_list
from bench.cli._print import remark
from bench.cli._request_options import joined, request_option
from bench.errors import UsageError

__all__ = ["DEMO_BACKBONE", "joined", "split_list"]

DEFAULT_RUNS = Path("runs")

Protocol = Annotated[str | None, typer.Option("--protocol", help="Only this protocol.")]
Shots = Annotated[list[str], typer.Option("--shots", help="Only these shots, such as 16 or 1,4,16, or all.")]
Convention = Annotated[
    str,
    typer.Option(
        "--h",
        help="H of average rows: mean_of_h (mean of the datasets' H) or h_of_means (H of the averages, as in papers).",
    ),
]
Draw = Annotated[str, request_option("draw")]
AllowFewer = Annotated[bool, request_option("allow_fewer")]
DataRoot = Annotated[Path | None, request_option("data_root")]
WrittenRuns = Annotated[Path, request_option("runs")]
Cache = Annotated[Path | None, request_option("cache")]
Jobs = Annotated[int | None, request_option("jobs")]
Device = Annotated[str, request_option("device")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Force = Annotated[
    bool, typer.Option("--force", help="Replace files that exist already, even if etl-bench did not write them.")
]
"""For commands that write files for the user."""
RunnerName = Annotated[str, request_option("runner")]


def runs_to_read(folder: Path) -> Path:
    """The given folder, or the only folder below it with runs, which is then named on standard error."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--runs {folder} is a file; give the folder that contains the runs.")
    if not folder.is_dir() or (folder / "shards").is_dir():
        return folder
    from bench.results import runs_folders

    below = runs_folders(folder)
    if len(below) > 1:
        raise UsageError(
            f"{folder} has no runs, but {', '.join(map(str, below))} do; choose one, such as --runs {below[0]}."
        )
    if below:
        remark(f"{folder} has no runs; using the runs of {below[0]}")
    return below[0] if below else folder


Runs = Annotated[Path, request_option("runs", callback=runs_to_read)]
"""For commands that only read runs: the runs may be one folder deeper."""


Where = Annotated[
    str | None, typer.Option("--where", help="Only runs that satisfy this SQL condition: \"method = 'coop'\".")
]


def shot_counts(texts: list[str]) -> list[int] | None:
    """The numbers of a `Shots` option, or None if it was not given."""
    return parse_shots(joined("--shots", texts)) if texts else None
