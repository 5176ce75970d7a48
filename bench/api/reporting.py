"""The HTML report of a runs folder, of published numbers, or of a paper's figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from bench._util.words import counted
from bench.api.options import Convention, Easy, Force, Hard, Opt, Protocol, Runs
from bench.errors import UsageError
from bench.sweep import parse_choice, split_list
from datasets_registry import EvalProtocol

if TYPE_CHECKING:
    from bench.analysis import Grouping
    from reports.site.build import PageRequest
    from reports.views import SiteView


@dataclass(frozen=True)
class Report:
    """A written page, its figures as files, and notes on what is incomplete."""

    page: Path
    figures: tuple[Path, ...]
    notes: tuple[str, ...]


def build_report(path: str | Path = "site", *, runs: str | Path = "runs", **options: Any) -> Path:
    """Write the HTML report and return the page's file.

    Args:
        path: a folder for `index.html` with the predictions of every run beside it, or one `.html` file.
        runs: the runs folder.
        options: fields of `reports.site.build.PageRequest`, such as `protocol`, `images`, `figures="apex"` or `force`.

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
    figures: Annotated[str | None, Opt("Also plot a paper's figures from these runs: apex.")] = None,
    figures_dir: Annotated[Path | None, Opt("Folder for those figures: SVG, PDF, PNG and Vega-Lite.")] = None,
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
    from bench.papers import FIGURE_SETS
    from bench.results import check_own_folder
    from reports.site.build import PageRequest

    chosen = _protocol(protocol)
    how = parse_choice(HConvention, convention, "--h")
    if figures is not None and figures not in FIGURE_SETS:
        raise UsageError(f"--figures {figures!r} is unknown. Allowed: {', '.join(FIGURE_SETS)}.")
    groups = _groups(easy, hard)
    _check_page(out, one_file=one_file, force=force)
    if figures_dir is not None:
        check_own_folder(figures_dir, "--figures-dir", force=force)
    return PageRequest(
        runs=Path(runs),
        out=out,
        protocol=chosen,
        convention=how,
        with_run_files=not one_file,
        figures=figures or ("apex" if figures_dir is not None else None),
        groups=groups,
        force=force,
        **options,
    )


def write_report(request: PageRequest, figures_dir: Path | None = None) -> Report:
    """Write the page and, into a folder, its figures as SVG, PDF, PNG and Vega-Lite files."""
    from reports.site.build import write_figures

    view = _write_page(request)
    files = () if figures_dir is None else tuple(write_figures(view.figures, figures_dir, force=request.force))
    return Report(request.out, files, tuple(_incomplete(view)))


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


def _incomplete(view: SiteView) -> Iterator[str]:
    boards = []
    for shown in (shown for shown in view.boards if not shown.board.complete):
        missing, failed = shown.board.missing, sum(cell.error is not None for cell in shown.board.missing)
        counts = f"{counted(len(missing), 'run')} missing, {failed} of them failed"
        boards.append(f"incomplete: {shown.board.setting.backbone}, {shown.heading}: {counts}")
    yield from dict.fromkeys(boards)  # shared and all runs of a setting are two leaderboards
    for figure in view.figures:
        if figure.missing:
            yield f"{figure.name}: {' '.join(figure.missing)}"


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
