"""`etl-bench report`: the results database as a page that works offline, or as a folder for any web server."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import _options as opt

if TYPE_CHECKING:
    from bench.site.build import PageRequest
    from reports.views import SiteView


class Source(StrEnum):
    """Whose numbers a page shows."""

    RUNS = "runs"
    PUBLISHED = "published"


def report(
    runs: opt.Runs = opt.DEFAULT_RUNS,
    site: Annotated[
        Path, typer.Option("--site", help="Folder to write: index.html, and the predictions of every run beside it.")
    ] = Path("site"),
    out: Annotated[Path | None, typer.Option("--out", help="One file to write, in place of --site.")] = None,
    source: Annotated[
        str, typer.Option("--source", help="runs: the results database. published: printed numbers alone.")
    ] = "runs",
    protocol: Annotated[str | None, typer.Option("--protocol", help="Only this protocol.")] = None,
    convention: Annotated[
        str, typer.Option("--h", help="H of average rows: h_of_means (CoOp's tables) or mean_of_h (APEX's).")
    ] = "h_of_means",
    data_root: opt.DataRoot = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Show a few images of each dataset that is at hand.")
    ] = True,
    watch: Annotated[
        bool, typer.Option("--watch", help="Serve the folder to this machine and rebuild it as runs arrive.")
    ] = False,
    figures: Annotated[
        str | None, typer.Option("--figures", help="Also a paper's figures, redrawn from these runs: apex.")
    ] = None,
    figures_dir: Annotated[
        Path | None, typer.Option("--figures-dir", help="Folder for those figures as SVG, PDF and PNG files.")
    ] = None,
    easy: opt.Easy = [],  # noqa: B006
    hard: opt.Hard = [],  # noqa: B006
    cache: opt.Cache = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of --watch; 0 takes a free one.")] = 8642,
) -> None:
    """Write leaderboards, difficulty, cost, calibration and evidence as one page that needs no network.

    The page is complete without what is beside it. --site adds the predictions of every run, image by image, which the
    page loads when it is served by a web server, such as --watch.

    Example: etl-bench report --runs runs/demo --out demo.html

    Example: etl-bench report --runs runs/demo --watch

    Example: etl-bench report --runs runs/demo --figures apex --figures-dir figures

    With --source published: boards and difficulty trends of the numbers that papers print, without any run of yours.
    """
    from bench.analysis.difficulty_groups import chosen_groups
    from bench.analysis.leaderboard import HConvention
    from bench.cli._print import print_line
    from bench.errors import UsageError
    from bench.site.build import PageRequest, write_figures, write_published
    from datasets_registry import EvalProtocol

    chosen = None if protocol is None else str(opt.parse_choice(EvalProtocol, protocol, "--protocol"))
    groups = chosen_groups(opt.split_list(easy), opt.split_list(hard))
    target = out if out is not None else site / "index.html"
    if opt.parse_choice(Source, source, "--source") is Source.PUBLISHED:
        if watch:
            raise UsageError("--source published has no runs to --watch; leave one of the two out.")
        if figures is not None or figures_dir is not None:
            raise UsageError(
                "--figures are drawn from runs, which --source published has not; leave one of the two out."
            )
        print_line(str(write_published(target, chosen, opt.cache_folder(cache), groups)))
        return
    if watch and out is not None:
        raise UsageError("--watch serves a folder and --out names a file; give --site in place of --out.")
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
        cache=opt.cache_folder(cache),
        groups=groups,
    )
    view = _write(request)
    print_line(str(request.out))
    if figures_dir is not None:
        for path in write_figures(view.figures, figures_dir):
            print_line(str(path))
    if watch:
        _serve(request, port)


def _write(request: PageRequest) -> SiteView:
    from bench.cli._print import remark
    from bench.site.build import write_page

    view = write_page(request)
    if not view.boards:
        which = f" with protocol {request.protocol}" if request.protocol else ""
        remark(f"no runs in {request.runs}{which}; the page says so")
    for board in view.boards:
        if not board.complete:
            what = f"{board.backbone}, {board.heading}"
            remark(f"incomplete: {what}: {len(board.missing)} cells missing, {board.n_failed} of them failed")
    for figure in view.figures:
        if figure.missing:
            remark(f"{figure.name}: {' '.join(figure.missing)}")
    return view


def _serve(request: PageRequest, port: int) -> None:
    from bench._util.interrupts import counted_interrupts
    from bench.cli._print import print_line, remark
    from bench.errors import StoreLockedError
    from bench.results.shards import Shards
    from bench.site.development_server import follow, served

    def rebuild() -> None:
        try:
            _write(request)
        except StoreLockedError as error:
            remark(f"not rebuilt, the next run will do it: {error}")
        else:
            remark("rebuilt")

    with served(request.out.parent, port) as address:
        print_line(f"{address} (Ctrl-C ends)")
        asked = 0

        def interrupted(times: int) -> None:
            nonlocal asked
            asked = times
            if times > 1:
                raise KeyboardInterrupt

        with counted_interrupts(interrupted):  # once: behind the page that is being made; twice: now
            follow(Shards(request.runs).scan, rebuild, lambda: asked > 0)
        remark("ended")
