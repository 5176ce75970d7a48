"""From a runs folder to a page on disk: everything that `etl-bench report` does, as one call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import bench
from bench.cards import published_site, registered, site_view
from bench.claims import load_claims
from bench.examples import example_images
from bench.gallery import Gallery
from bench.leaderboard import HConvention
from bench.ledger import published_settings
from bench.published import published_difficulty, published_frame
from bench.run_files import write_run_files
from bench.store import fresh_store
from reports.render import render_site
from reports.views import SiteView

FOLDER = "data"
"""Of the run files, beside the page."""


@dataclass(frozen=True)
class PageRequest:
    """What page is made of which runs.

    Args:
        runs: the runs folder.
        out: the file to write.
        protocol: only this one, or None for all.
        convention: how H enters the average rows.
        data_root: folder of the datasets, for pictures.
        images: whether pictures are shown.
        with_run_files: whether the predictions of every run go beside the page.
        live: whether the page looks for a newer version of itself.
    """

    runs: Path
    out: Path
    protocol: str | None = None
    convention: HConvention = HConvention.H_OF_MEANS
    data_root: Path | None = None
    images: bool = True
    with_run_files: bool = False
    live: bool = False


def write_page(request: PageRequest) -> SiteView:
    """Load new runs into the database, write the page and what goes beside it, and give what it shows."""
    store = fresh_store(request.runs)
    runs = store.runs_frame()
    pictures = Gallery(request.data_root, pictures=request.images)
    view = site_view(
        runs,
        store.difficulty_frame(),
        registered(),
        package_version=bench.__version__,
        protocol=request.protocol,
        convention=request.convention,
        claims=load_claims(),
        published=published_frame(),
        defaults=published_settings(runs),
        stored=store,
        pictures=pictures,
        folder=FOLDER if request.with_run_files else None,
        examples=partial(example_images, data_root=request.data_root) if request.images else lambda _: (),
    )
    if request.with_run_files:
        write_run_files(store, runs, pictures, request.out.parent / FOLDER)
    render_site(view, request.out, live=request.live)
    return view


def write_published(out: Path, protocol: str | None = None) -> Path:
    """Write the page of published numbers alone, which needs no runs, and give its path.

    Args:
        out: the file to write.
        protocol: only this one, or None for all.
    """
    view = published_site(
        published_frame(), published_difficulty(), registered(), package_version=bench.__version__, protocol=protocol
    )
    return render_site(view, out)
