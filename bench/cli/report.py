"""`etl-bench report`: writes results as one HTML page that works offline, or as a folder for a web server."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.api import (
    parse_choice,
    report_request,
    write_published_report,
    write_report,
)
from bench.cli import _options as opt
from bench.cli._options_of import options_of
from bench.cli._print import print_line, remark


class Source(StrEnum):
    """The numbers that a page shows."""

    RUNS = "runs"
    PUBLISHED = "published"


@options_of(report_request)
def report(
    *,
    runs: Path = opt.DEFAULT_RUNS,
    site: Annotated[
        Path, typer.Option("--site", help="Folder to write: index.html, and the predictions of every run beside it.")
    ] = Path("site"),
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write one file instead of --site; a folder means the same as --site."),
    ] = None,
    source: Annotated[
        str, typer.Option("--source", help="runs: your results. published: numbers from papers only.")
    ] = "runs",
    protocol: str | None,
    convention: str,
    data_root: opt.DataRoot = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Show a few images of each available dataset.")
    ] = True,
    easy: list[str],
    hard: list[str],
    force: bool,
) -> None:
    """Write leaderboards, difficulty, cost, calibration and error analysis as one page that needs no network.

    The page is complete by itself. --site also writes the predictions of every run next to it, image by image. The page
    loads them when it comes from a web server, such as that of python -m http.server.

    Example: etl-bench report --runs runs/demo --out demo.html

    --source published shows leaderboards and difficulty trends of published numbers and needs no runs.
    """
    if out is not None and (out.is_dir() or not (out.suffix or out.exists())):
        site, out = out, None
    target = out if out is not None else site / "index.html"
    groups = {"easy": easy, "hard": hard}
    if parse_choice(Source, source, "--source") is Source.PUBLISHED:
        one_file = out is not None
        print_line(str(write_published_report(target, one_file=one_file, protocol=protocol, force=force, **groups)))
        return
    request = report_request(
        runs,
        target,
        one_file=out is not None,
        protocol=protocol,
        convention=convention,
        data_root=data_root,
        images=images,
        force=force,
        **groups,
    )
    for note in write_report(request).notes:
        remark(note)
    print_line(str(target))
