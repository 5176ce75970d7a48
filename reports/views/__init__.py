"""What a page shows: plain values and the ids of the runs behind each of them. Accuracies are fractions 0..1."""

from reports.views.anytime import AnytimeCurveView, AnytimePointView, AnytimeView
from reports.views.boards import BoardView
from reports.views.claims import ClaimResultView, ClaimView, LedgerRowView, LedgerView
from reports.views.difficulty import AxisView, PointView, TrendView
from reports.views.entries import CellView, DatasetView, EntryView, ExampleView, MeasureView, MissingView, SetAsideView
from reports.views.error_analysis import (
    ClassListView,
    EntryErrorsView,
    ErrorAnalysisView,
    HardImageView,
    PairView,
    RunErrorsView,
)
from reports.views.figures import FigurePoint, FigureView
from reports.views.published import PublishedBoardView, PublishedDatasetView, PublishedRowView, SourceView
from reports.views.quality import AgreementView, CostPointView, QualityView
from reports.views.site import SiteView
from reports.views.standings import CriticalView, DifferenceView, RatingView, StandingsView
from reports.views.trends import (
    ContrastView,
    CovariateView,
    MethodTrendView,
    PanelView,
    SlopeView,
    TrendResultView,
    TrendsView,
)
from reports.views.values import Cost, Value

__all__ = [
    "AgreementView",
    "AnytimeCurveView",
    "AnytimePointView",
    "AnytimeView",
    "AxisView",
    "BoardView",
    "CellView",
    "ClaimResultView",
    "ClaimView",
    "ClassListView",
    "ContrastView",
    "Cost",
    "CostPointView",
    "CovariateView",
    "CriticalView",
    "DatasetView",
    "DifferenceView",
    "EntryErrorsView",
    "EntryView",
    "ErrorAnalysisView",
    "ExampleView",
    "FigurePoint",
    "FigureView",
    "HardImageView",
    "LedgerRowView",
    "LedgerView",
    "MeasureView",
    "MethodTrendView",
    "MissingView",
    "PairView",
    "PanelView",
    "PointView",
    "PublishedBoardView",
    "PublishedDatasetView",
    "PublishedRowView",
    "QualityView",
    "RatingView",
    "RunErrorsView",
    "SetAsideView",
    "SiteView",
    "SlopeView",
    "SourceView",
    "StandingsView",
    "TrendResultView",
    "TrendView",
    "TrendsView",
    "Value",
]
