"""`etl-bench report`: writes results as one HTML page that works offline, or as a folder for a web server."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_line, remark
from bench.errors import StoreLockedError, UsageError
from bench.results import check_output_file, check_output_folder

if TYPE_CHECKING:
    from reports.site.build import PageRequest
    from reports.views import SiteView


class Source(StrEnum):
    """The numbers that a page shows."""

    RUNS = "runs"
    PUBLISHED = "published"


def report(
    runs: opt.Runs = opt.DEFAULT_RUNS,
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
    protocol: opt.Protocol = None,
    convention: opt.Convention = "mean_of_h",
    data_root: opt.DataRoot = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Show a few images of each available dataset.")
    ] = True,
    watch: Annotated[
        bool, typer.Option("--watch", help="Serve the folder on this machine and rebuild it when runs finish.")
    ] = False,
    figures: Annotated[
        str | None, typer.Option("--figures", help="Also plot a paper's figures from these runs: apex.")
    ] = None,
    figures_dir: Annotated[
        Path | None, typer.Option("--figures-dir", help="Folder for those figures as SVG, PDF and PNG files.")
    ] = None,
    easy: opt.Easy = [],  # noqa: B006
    hard: opt.Hard = [],  # noqa: B006
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of --watch; 0 takes a free one.")] = 8642,
) -> None:
    """Write leaderboards, difficulty, cost, calibration and error analysis as one page that needs no network.

    The page is complete by itself. --site also writes the predictions of every run next to it, image by image. The page
    loads them when it comes from a web server, such as that of --watch.

    Example: etl-bench report --runs runs/demo --out demo.html

    Example: etl-bench report --runs runs/demo --watch

    Example: etl-bench report --runs runs/demo --figures apex --figures-dir figures

    --source published shows leaderboards and difficulty trends of published numbers and needs no runs.
    """
    from bench.analysis import HConvention, chosen_groups
    from bench.papers import FIGURE_SETS
    from datasets_registry import EvalProtocol
    from reports.site.build import PageRequest, write_figures, write_published
    from reports.site.development_server import check_port
    from reports.site.run_files import check_page

    chosen = None if protocol is None else str(opt.parse_choice(EvalProtocol, protocol, "--protocol"))
    if figures is not None and figures not in FIGURE_SETS:
        raise UsageError(f"--figures {figures!r} is unknown. Allowed: {', '.join(FIGURE_SETS)}.")
    groups = chosen_groups(opt.split_list(easy), opt.split_list(hard))
    named = "--site" if out is None else "--out"
    if out is not None and (out.is_dir() or not (out.suffix or out.exists())):
        site, out = out, None
    target = out if out is not None else site / "index.html"
    check_output_file(target, named)
    if figures_dir is not None:
        check_output_folder(figures_dir, "--figures-dir")
    if opt.parse_choice(Source, source, "--source") is Source.PUBLISHED:
        if watch:
            raise UsageError("--watch needs runs, and --source published shows none; leave out one of them.")
        if figures is not None or figures_dir is not None:
            raise UsageError("--figures needs runs, and --source published shows none; leave out one of them.")
        if out is None:
            check_page(target)
        print_line(str(write_published(target, chosen, groups)))
        return
    if watch and out is not None:
        raise UsageError("--watch serves a folder and --out names a file; use --site instead of --out.")
    if watch:
        check_port(port)
    request = PageRequest(
        runs=runs,
        out=target,
        protocol=chosen,
        convention=opt.parse_choice(HConvention, convention, "--h"),
        data_root=data_root,
        images=images,
        with_run_files=out is None,
        live=watch,
        figures=figures or ("apex" if figures_dir is not None else None),
        groups=groups,
    )
    view = write_report(request)
    print_line(str(request.out))
    if figures_dir is not None:
        for path in write_figures(view.figures, figures_dir):
            print_line(str(path))
    if watch:
        _serve(request, port)


def write_report(request: PageRequest) -> SiteView:
    """Write the page, name what is incomplete on standard error, and return what the page shows."""
    from reports.site.build import write_page

    view = write_page(request)
    incomplete = [
        f"incomplete: {board.backbone}, {board.heading}: {counted(len(board.missing), 'run')} missing, "
        f"{board.n_failed} of them failed"
        for board in view.boards
        if not board.complete
    ]
    for line in dict.fromkeys(incomplete):  # shared and all runs of a setting are two leaderboards
        remark(line)
    for figure in view.figures:
        if figure.missing:
            remark(f"{figure.name}: {' '.join(figure.missing)}")
    return view


def _serve(request: PageRequest, port: int) -> None:
    from bench._util.interrupts import counted_interrupts
    from bench.results import Shards
    from reports.site.development_server import rebuild_on_change, serve_folder

    def rebuild() -> None:
        try:
            write_report(request)
        except StoreLockedError as error:
            remark(f"not rebuilt, the next finished run triggers it again: {error}")
        else:
            remark("rebuilt")

    with serve_folder(request.out.parent, port) as address:
        print_line(f"{address} (Ctrl-C ends)")
        # Ctrl-C once ends after the page in progress, twice at once
        with counted_interrupts(raise_second=True) as interrupts:
            rebuild_on_change(Shards(request.runs).scan, rebuild, lambda: interrupts.count > 0)
        remark("ended")
