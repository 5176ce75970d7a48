"""Charts as Vega-Lite specifications, and as static SVG for readers without script."""

from reports.charts.anytime import TIME_AXES, anytime_chart, anytime_rows
from reports.charts.costs import COST_AXES, cost_chart, cost_rows, cost_text, front_text
from reports.charts.critical import critical_svg
from reports.charts.difficulty import PANEL_TITLES, difficulty_chart, difficulty_rows
from reports.charts.figures import FORMATS, figure_chart, figure_file, figure_rows
from reports.charts.trends import leave_one_out_data, panel_svg, result_text
from reports.charts.vega import Keep, made_anew, runtime_script, static_svg

__all__ = [
    "COST_AXES",
    "FORMATS",
    "PANEL_TITLES",
    "TIME_AXES",
    "Keep",
    "anytime_chart",
    "anytime_rows",
    "cost_chart",
    "cost_rows",
    "cost_text",
    "critical_svg",
    "difficulty_chart",
    "difficulty_rows",
    "figure_chart",
    "figure_file",
    "figure_rows",
    "front_text",
    "leave_one_out_data",
    "made_anew",
    "panel_svg",
    "result_text",
    "runtime_script",
    "static_svg",
]
