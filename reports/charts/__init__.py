"""Charts as Vega-Lite specifications, and as static SVG for readers without script."""

from reports.charts.critical import critical_svg
from reports.charts.difficulty import PANEL_TITLES, difficulty_chart, difficulty_rows
from reports.charts.trends import panel_svg, trends_data
from reports.charts.vega import runtime_script, static_svg

__all__ = [
    "PANEL_TITLES",
    "critical_svg",
    "difficulty_chart",
    "difficulty_rows",
    "panel_svg",
    "runtime_script",
    "static_svg",
    "trends_data",
]
