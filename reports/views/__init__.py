"""What a page shows: plain values and the ids of the runs behind each of them. Accuracies are fractions 0..1."""

from reports.views.blocks import BlockView
from reports.views.difficulty import AxisView, PointView, TrendView
from reports.views.entries import CellView, DatasetView, EntryView, ExampleView, MeasureView, MissingView, SetAsideView
from reports.views.evidence import ClaimResultView, ClaimView, LedgerRowView, LedgerView
from reports.views.site import SiteView
from reports.views.standings import CriticalView, DifferenceView, RatingView, StandingsView
from reports.views.trends import (
    ContrastView,
    CovariateView,
    MethodTrendView,
    PanelView,
    SlopeView,
    TrendsView,
)
from reports.views.values import Cost, Value

__all__ = [
    "AxisView",
    "BlockView",
    "CellView",
    "ClaimResultView",
    "ClaimView",
    "ContrastView",
    "Cost",
    "CovariateView",
    "CriticalView",
    "DatasetView",
    "DifferenceView",
    "EntryView",
    "ExampleView",
    "LedgerRowView",
    "LedgerView",
    "MeasureView",
    "MethodTrendView",
    "MissingView",
    "PanelView",
    "PointView",
    "RatingView",
    "SetAsideView",
    "SiteView",
    "SlopeView",
    "StandingsView",
    "TrendView",
    "TrendsView",
    "Value",
]
