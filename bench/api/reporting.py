"""The HTML report of a runs folder, or of published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench._util.words import counted
from bench.api.options import Convention, Easy, Force, Hard, Protocol, Runs
from bench.sweep import parse_choice, split_list
from datasets_registry import EvalProtocol

if TYPE_CHECKING:
    from bench.analysis import Grouping
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
        path: a folder for `index.html` with the predictions of every run beside it, or one `.html` file.
        runs: the runs folder.
        options: fields of `reports.site.build.PageRequest`, such as `protocol`, `images` or `force`.

    Raises UsageError for a file or folder in use that etl-bench did not write, unless `force=True`.
    """
    from reports.site.build import PageRequest

    target = Path(path).expanduser()
    one_file = target.suffix == ".html"
    request = PageRequest(
        runs=Path(runs).expanduser(),
        out=target if one_file else target / "index.html",
        with_run_files=not one_file,
    )
    request = replace(request, **options)
    _check_page(request.out, one_file=one_file, force=request.force)
    _write_page(request)
    return request.out


def _write_page(request: PageRequest) -> SiteView:
    """Write the page of a runs folder with its unfinished sweeps, and return what it shows."""
    from bench.sweep import unfinished_sweeps
    from reports.site.build import write_page
    from reports.views import UnfinishedView

    found = unfinished_sweeps(request.runs)
    unfinished = tuple(UnfinishedView(item.counts, item.missing_text, item.command, item.missing) for item in found)
    return write_page(replace(request, unfinished=unfinished))


def report_request(
    runs: Runs,
    out: Path,
    *,
    one_file: bool,
    protocol: Protocol = None,
    convention: Convention = "mean_of_h",
    easy: Easy = (),
    hard: Hard = (),
    force: Force = False,
    **options: Any,
) -> PageRequest:
    """The page that `etl-bench report` writes to the file `out`; other options are fields of the request.

    Raises UsageError for an unknown choice, and for a file or folder that cannot be written, or that is in use and not
    ours, unless `force`.
    """
    from bench.analysis import HConvention
    from reports.site.build import PageRequest

    chosen = _protocol(protocol)
    how = parse_choice(HConvention, convention, "--h")
    groups = _groups(easy, hard)
    _check_page(out, one_file=one_file, force=force)
    return PageRequest(
        runs=Path(runs),
        out=out,
        protocol=chosen,
        convention=how,
        with_run_files=not one_file,
        groups=groups,
        force=force,
        **options,
    )


def write_report(request: PageRequest) -> Report:
    """Write the page."""
    boards = []
    for shown in (shown for shown in _write_page(request).boards if not shown.board.complete):
        missing, failed = shown.board.missing, sum(cell.error is not None for cell in shown.board.missing)
        counts = f"{counted(len(missing), 'run')} missing, {failed} of them failed"
        boards.append(f"incomplete: {shown.board.setting.backbone}, {shown.heading}: {counts}")
    return Report(request.out, tuple(dict.fromkeys(boards)))  # shared and all runs of a setting are two leaderboards


def write_published_report(
    out: Path,
    *,
    one_file: bool,
    protocol: str | None = None,
    easy: Sequence[str] = (),
    hard: Sequence[str] = (),
    force: bool = False,
) -> Path:
    """Write the page of published numbers, which needs no runs, and return its path; arguments of `report_request`."""
    from reports.site.build import write_published

    chosen, groups = _protocol(protocol), _groups(easy, hard)
    _check_page(out, one_file=one_file, force=force)
    return write_published(out, chosen, groups, force=force)


def _protocol(text: str | None) -> str | None:
    return None if text is None else str(parse_choice(EvalProtocol, text, "--protocol"))


def _groups(easy: Sequence[str], hard: Sequence[str]) -> Grouping:
    from bench.analysis import chosen_groups

    return chosen_groups(tuple(split_list(easy)), tuple(split_list(hard)))


def _check_page(out: Path, *, one_file: bool, force: bool) -> None:
    from bench.results import check_output_file
    from reports.site.build import check_site

    if one_file:
        check_output_file(out, "--out", force=force, suffixes=(".html", ".htm"))
    else:
        check_site(out.parent, force=force)
