"""One page."""

from __future__ import annotations

from dataclasses import dataclass, field

from reports.views.boards import BoardView
from reports.views.claims import ClaimView, LedgerView
from reports.views.error_analysis import ErrorAnalysisView
from reports.views.figures import FigureView
from reports.views.published import PublishedBoardView, SourceView


@dataclass(frozen=True)
class SiteView:
    """One page.

    Args:
        generated_at: date and time as text.
        newest_run: date and time of the newest run as text, None without runs.
        facts: provenance lines (name, text).
        claims: sentences with what the runs say about them.
        ledger: published numbers beside ours, None where they were not asked for.
        figures: a paper's figures, redrawn; empty unless they were asked for.
        error_analysis: what runs get wrong; empty without stored predictions.
        published_boards: printed numbers alone; a page has these or boards.
        sources: where they were read.
    """

    title: str
    package_version: str
    generated_at: str
    newest_run: str | None
    n_runs: int
    n_failed: int
    boards: tuple[BoardView, ...]
    facts: tuple[tuple[str, str], ...]
    claims: tuple[ClaimView, ...] = ()
    ledger: LedgerView | None = None
    figures: tuple[FigureView, ...] = ()
    error_analysis: ErrorAnalysisView = field(default_factory=ErrorAnalysisView)
    published_boards: tuple[PublishedBoardView, ...] = ()
    sources: tuple[SourceView, ...] = ()
