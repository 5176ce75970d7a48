"""One page."""

from __future__ import annotations

from dataclasses import dataclass, field

from reports.views.boards import BoardView
from reports.views.claims import ClaimView, ReproductionView
from reports.views.error_analysis import ErrorAnalysisView
from reports.views.figures import FigureView
from reports.views.published import PublishedBoardView, SourceView


@dataclass(frozen=True)
class SiteView:
    """One page: of runs (`boards`), or of published numbers (`published_boards`).

    Args:
        generated_at: date and time as text.
        newest_run: the same of the newest run, None without runs.
        facts: provenance lines (name, text).
        claims: claims tested on the runs.
        reproduction: published numbers compared with ours, None for a page without them.
        figures: redrawn figures of a paper.
        error_analysis: empty without stored predictions.
        sources: tables of the published boards.
    """

    title: str
    package_version: str
    generated_at: str
    newest_run: str | None = None
    n_runs: int = 0
    n_failed: int = 0
    boards: tuple[BoardView, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    claims: tuple[ClaimView, ...] = ()
    reproduction: ReproductionView | None = None
    figures: tuple[FigureView, ...] = ()
    error_analysis: ErrorAnalysisView = field(default_factory=ErrorAnalysisView)
    published_boards: tuple[PublishedBoardView, ...] = ()
    sources: tuple[SourceView, ...] = ()
