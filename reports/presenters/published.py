"""The page of published numbers: one board per setting, one row per method and table, and trends."""

from datetime import UTC, datetime

import pandas as pd

from bench.analysis import Grouping, difficulty_groups
from bench.papers import Catalogue, boards_of_tables, numbered_rows, published_sources
from reports.presenters.boards import minute
from reports.presenters.overview import published_overview
from reports.presenters.site import anchor_of
from reports.views import PublishedBoardView, SiteView


def published_site(
    published: pd.DataFrame,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    *,
    package_version: str,
    generated_at: datetime | None = None,
    protocol: str | None = None,
    groups: Grouping = difficulty_groups,
) -> SiteView:
    """The page of `bench.papers.published_frame()` and `published_difficulty()`; `protocol` restricts it to one."""
    rows = numbered_rows(published, protocol)
    views: list[PublishedBoardView] = []
    for board in boards_of_tables(rows, difficulty, catalogue, groups):
        what = f"published {board.backbone} {board.protocol} {board.shots}"
        views.append(PublishedBoardView(anchor_of(what, {view.anchor for view in views}), board, catalogue))
    return SiteView(
        title="Published results of CLIP transfer methods",
        package_version=package_version,
        generated_at=minute(generated_at or datetime.now(UTC)),
        catalogue=catalogue,
        published_boards=tuple(views),
        overviews=tuple(published_overview(view, groups) for view in views),
        sources=published_sources(rows),
    )
