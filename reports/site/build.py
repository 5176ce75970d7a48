"""Writes the page of a runs folder for `etl-bench report`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import bench
from bench.analysis import HConvention
from bench.errors import UsageError
from bench.papers import load_claims, published_difficulty, published_frame, registered
from bench.results import fresh_store, no_runs
from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import published_site, site_view
from reports.site.images import DatasetPictures, example_images
from reports.views import SiteView, UnfinishedView


@dataclass(frozen=True)
class PageRequest:
    """A page to write.

    Args:
        out: the file to write.
        published: whether the page shows the published numbers and no runs; see `write_published`.
        protocol: restricts the page to one protocol.
        unfinished: sweeps of the runs folder whose missing runs are expected, newest first.
        force: replace files that etl-bench did not write.
        finish: changes the view before it is written; a page with it may show no runs.
    """

    runs: Path
    out: Path
    published: bool = False
    protocol: str | None = None
    convention: HConvention = HConvention.MEAN_OF_H
    data_root: Path | None = None
    images: bool = True
    unfinished: tuple[UnfinishedView, ...] = ()
    force: bool = False
    finish: Callable[[SiteView], SiteView] | None = None


def write_page(request: PageRequest) -> SiteView:
    """Load new runs into the database, write the page, and return the view.

    Raises UsageError if there is nothing to show; an existing page stays.
    """
    store = fresh_store(request.runs)
    runs = store.runs_frame(installed=True)
    pictures = DatasetPictures(request.data_root, pictures=request.images)
    content = PageContent(
        runs,
        store.difficulty_frame(),
        registered(),
        package_version=bench.__version__,
        protocol=request.protocol,
        convention=request.convention,
        claims=load_claims(),
        published=published_frame(),
        stored=store,
        pictures=pictures,
        made=store.provenance_frame(),
        unfinished=request.unfinished,
        examples=partial(example_images, data_root=request.data_root) if request.images else lambda _: (),
    )
    view = site_view(content)
    if not view.boards and request.finish is None and (runs.empty or request.protocol):
        fits = no_runs(request.runs) if runs.empty else f"No run in {request.runs} has protocol {request.protocol}."
        raise UsageError(f"{fits} No page was written.")
    if request.finish is not None:
        view = request.finish(view)
    render_site(view, request.out, force=request.force)
    return view


def write_published(out: Path, protocol: str | None = None, *, force: bool = False) -> Path:
    """Write the page of published numbers, which needs no runs, and return its path; see `PageRequest`."""
    view = published_site(
        published_frame(),
        published_difficulty(),
        registered(),
        package_version=bench.__version__,
        protocol=protocol,
    )
    return render_site(view, out, force=force)
