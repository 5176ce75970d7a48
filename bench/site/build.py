"""Writes the page of a runs folder for `etl-bench report`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import bench
from bench._util.text_cache import TextCache
from bench.analysis.claims import load_claims
from bench.analysis.difficulty_groups import Grouping, difficulty_groups
from bench.analysis.leaderboard import HConvention
from bench.analysis.reproduction import published_settings
from bench.errors import UsageError
from bench.presenters import published_site, registered, site_view
from bench.published import published_difficulty, published_frame
from bench.results.nearby_runs import no_runs
from bench.site.example_images import example_images
from bench.site.gallery import Gallery
from bench.site.paper_figures import figures_of
from bench.site.run_browser_data import write_run_files
from bench.site.site_files import check_page
from bench.store import fresh_store
from bench.sweep import unfinished_sweeps
from reports import render_site
from reports.views import SiteView

FOLDER = "data"
"""Folder of the run files, next to the page."""


@dataclass(frozen=True)
class PageRequest:
    """A page to write.

    Args:
        out: the file to write.
        protocol: restricts the page to one protocol.
        with_run_files: whether to write the predictions of every run to the folder `data` next to the page.
        live: whether the page reloads when it has changed.
        figures: a key of `bench.figures.FIGURE_SETS`.
        cache: folder for slow parts of the page, None for no cache.
        groups: splits datasets into easy and hard ones.
        finish: changes the view before it is written; a page with it may show no runs.
    """

    runs: Path
    out: Path
    protocol: str | None = None
    convention: HConvention = HConvention.MEAN_OF_H
    data_root: Path | None = None
    images: bool = True
    with_run_files: bool = False
    live: bool = False
    figures: str | None = None
    cache: Path | None = None
    groups: Grouping = difficulty_groups
    finish: Callable[[SiteView], SiteView] | None = None


def write_page(request: PageRequest) -> SiteView:
    """Load new runs into the database, write the page and its run files, and return the view.

    Raises UsageError if there is nothing to show, unless the page is live; an existing page stays.
    """
    if request.with_run_files:
        check_page(request.out)
    text_cache = TextCache(request.cache)
    store = fresh_store(request.runs)
    runs = store.runs_frame(outcomes=True, installed=text_cache)
    pictures = Gallery(request.data_root, pictures=request.images)
    view = site_view(
        runs,
        store.difficulty_frame(),
        registered(text_cache),
        package_version=bench.__version__,
        protocol=request.protocol,
        convention=request.convention,
        claims=load_claims(),
        published=published_frame(),
        defaults=published_settings(runs, text_cache),
        stored=store,
        pictures=pictures,
        folder=FOLDER if request.with_run_files else None,
        groups=request.groups,
        made=store.provenance_frame(),
        curves=store.curves_frame(),
        unfinished=unfinished_sweeps(request.runs),
        examples=partial(example_images, data_root=request.data_root) if request.images else lambda _: (),
    )
    may_be_empty = request.live or request.finish is not None
    if not view.boards and not may_be_empty and (runs.empty or request.protocol):
        fits = no_runs(request.runs) if runs.empty else f"No run in {request.runs} has protocol {request.protocol}."
        raise UsageError(f"{fits} No page was written.")
    if request.figures is not None:
        view = replace(view, figures=figures_of(store, request.figures, text_cache, request.groups))
    if request.finish is not None:
        view = request.finish(view)
    if request.with_run_files:
        write_run_files(store, runs, pictures, request.out.parent / FOLDER)
    render_site(view, request.out, live=request.live)
    return view


def write_published(
    out: Path, protocol: str | None = None, cache: Path | None = None, groups: Grouping = difficulty_groups
) -> Path:
    """Write the page of published numbers, which needs no runs, and return its path; see `PageRequest`."""
    text_cache = TextCache(cache)
    view = published_site(
        published_frame(),
        published_difficulty(),
        registered(text_cache),
        package_version=bench.__version__,
        protocol=protocol,
        groups=groups,
    )
    return render_site(view, out)
