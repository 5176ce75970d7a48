"""The HTML report of a runs folder, or of published numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from bench._util.words import counted
from bench.api.options import Convention, DataRoot, Force, Opt, Protocol, Runs
from bench.sweep import parse_choice
from datasets_registry import EvalProtocol

if TYPE_CHECKING:
    from reports.site.build import PageRequest
    from reports.views import SiteView


@dataclass(frozen=True)
class Report:
    """A written page, and what is incomplete on it, a line for each setting."""

    page: Path
    notes: tuple[str, ...]


def build_report(path: str | Path = "site", *, runs: str | Path = "runs", **options: Any) -> Path:
    """Write the HTML report and return the page's file.

    Args:
        path: a folder for `index.html`, or one `.html` file.
        runs: the runs folder.
        options: those of `report_request`, such as `protocol`, `images` or `force`.

    Raises UsageError for a file or folder in use that etl-bench did not write, unless `force=True`.
    """
    out = Path(path).expanduser()
    return write_report(report_request(runs=Path(runs).expanduser(), out=out, **options)).page


def _write_page(request: PageRequest) -> SiteView:
    """Write the page of a runs folder with its unfinished sweeps, and return what it shows."""
    from bench.sweep import unfinished_sweeps
    from reports.site.build import write_page
    from reports.views import UnfinishedView

    sweeps = unfinished_sweeps(request.runs)
    unfinished = tuple(UnfinishedView(item.counts, item.missing_text, item.command, item.missing) for item in sweeps)
    return write_page(replace(request, unfinished=unfinished))


class Source(StrEnum):
    """The numbers that a page shows."""

    RUNS = "runs"
    PUBLISHED = "published"


def report_request(
    *,
    runs: Runs = "runs",
    out: Annotated[Path, Opt("Folder for index.html, or one .html file.")] = Path("site"),
    source: Annotated[str, Opt("runs: your results. published: numbers from papers only.")] = "runs",
    protocol: Protocol = None,
    convention: Convention = "mean_of_h",
    data_root: DataRoot = None,
    images: Annotated[bool, Opt("Show a few images of each available dataset.", "--images/--no-images")] = True,
    force: Force = False,
) -> PageRequest:
    """The page that `etl-bench report` writes.

    Raises UsageError for an unknown choice, and for a file or folder that cannot be written, or that is in use and not
    ours, unless `force`.
    """
    from bench.analysis import HConvention
    from bench.results import check_output_file
    from reports.site.build import PageRequest

    folder = out.is_dir() or not (out.suffix or out.exists())
    request = PageRequest(
        runs=Path(runs),
        out=out / "index.html" if folder else out,
        published=parse_choice(Source, source, "--source") is Source.PUBLISHED,
        protocol=None if protocol is None else str(parse_choice(EvalProtocol, protocol, "--protocol")),
        convention=parse_choice(HConvention, convention, "--h"),
        data_root=data_root,
        images=images,
        force=force,
    )
    check_output_file(request.out, "--out", force=force, suffixes=(".html", ".htm"))
    return request


def write_report(request: PageRequest) -> Report:
    """Write the page."""
    if request.published:
        from reports.site.build import write_published

        return Report(write_published(request.out, request.protocol, force=request.force), ())
    boards = []
    for view in (view for view in _write_page(request).boards if not view.board.complete):
        missing, failed = view.board.missing, sum(cell.error is not None for cell in view.board.missing)
        counts = f"{counted(len(missing), 'run')} missing, {failed} of them failed"
        boards.append(f"incomplete: {view.board.setting.backbone}, {view.heading}: {counts}")
    return Report(request.out, tuple(dict.fromkeys(boards)))  # shared and all runs of a setting are two leaderboards
