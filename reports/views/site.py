"""One page with everything on it."""

from dataclasses import dataclass, field

from bench.boards import BoardSubmission
from bench.papers import PaperFigure
from bench.spec import ExperimentSpec
from reports.views.boards import BoardView
from reports.views.error_analysis import ErrorAnalysisView
from reports.views.overview import OverviewView
from reports.views.published import ClaimView, PublishedBoardView, ReproductionView, SourceView


@dataclass(frozen=True)
class UnfinishedView:
    """A sweep with missing runs.

    Args:
        counts: sentence with the number of finished runs.
        missing: sentence with the missing runs by method and dataset.
        command: command that completes the sweep.
        specs: of the missing runs.
    """

    counts: str
    missing: str
    command: str
    specs: tuple[ExperimentSpec, ...] = ()


@dataclass(frozen=True)
class SiteView:
    """One page: of runs (`boards`), or of published numbers (`published_boards`).

    Args:
        overviews: the first screen of every board, in their order.
        newest_run: date and time of the newest run as text, like `generated_at`; None without runs.
        facts: provenance lines (name, text).
        reproduction: None for a page without published numbers.
        unfinished: sweeps with missing runs, newest first.
        sources: tables of the published boards.
        submissions: the submissions of a public board; empty for other pages.
    """

    title: str
    package_version: str
    generated_at: str
    newest_run: str | None = None
    n_runs: int = 0
    n_failed: int = 0
    boards: tuple[BoardView, ...] = ()
    overviews: tuple[OverviewView, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    claims: tuple[ClaimView, ...] = ()
    reproduction: ReproductionView | None = None
    figures: tuple[PaperFigure, ...] = ()
    error_analysis: ErrorAnalysisView = field(default_factory=ErrorAnalysisView)
    published_boards: tuple[PublishedBoardView, ...] = ()
    sources: tuple[SourceView, ...] = ()
    unfinished: tuple[UnfinishedView, ...] = ()
    submissions: tuple[BoardSubmission, ...] = ()
