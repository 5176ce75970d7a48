"""Renders views to one HTML file that needs no network: styles, scripts, data and static pictures are inside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports._calibration_columns import QUALITY_COLUMNS
from reports._error_analysis_data import cell_rows, list_rows
from reports._format import FORMATS
from reports._hero_data import hero_data, t_quantiles
from reports._interval_bars import IntervalBar, interval_bars
from reports._symbols import Symbol, assign_symbols
from reports.answer_sentences import (
    PHRASES,
    advice_check,
    answer,
    failed_runs,
    interval,
    missing_runs,
    points,
    small_print,
)
from reports.charts.anytime import TIME_AXES, anytime_chart, anytime_rows
from reports.charts.costs import COST_AXES, cost_axes, cost_chart, cost_rows, cost_text, front_text
from reports.charts.critical import critical_svg
from reports.charts.figures import figure_chart, figure_rows
from reports.charts.hero import PLACES, hero_svg
from reports.charts.trends import leave_one_out_data, panel_svg, result_text
from reports.charts.vega import PANEL_TITLES, Keep, Spec, no_cache, runtime_script, static_svg
from reports.sections import PUBLISHED_SECTIONS, SECTIONS, Section
from reports.views import (
    AnswerView,
    BoardView,
    ErrorAnalysisView,
    FigureView,
    OverviewView,
    PublishedBoardView,
    SiteView,
)

MEASURE_TITLES = {"base": "Base", "new": "New", "H": "H", "all": "Accuracy"}
SCORE_TITLES = {"base": "base classes", "new": "new classes", "H": "H (base and new)", "all": "accuracy"}
H_TITLES = {"h_of_means": "harmonic mean of the average base and new accuracy", "mean_of_h": "mean of per-dataset H"}
STYLES = ("page", "tables", "charts", "first_screen", "difficulty_trends", "cards", "error_analysis", "media")
"""In order: later rules win; `media` adapts the others to narrow screens and paper."""
SCRIPTS = (
    "page",
    "theme",
    "sortable_tables",
    "long_tables",
    "row_filters",
    "copy_tables",
    "fitting_tables",
    "settings",
    "difficulty_trends",
    "hero_numbers",
    "hero_drawing",
    "hero",
    "task_advice",
    "run_browser",
    "error_analysis",
    "links",
    "search",
    "charts",
    "live_reload",
)
"""Concatenated into one function; `page` defines what the others share."""


@dataclass(frozen=True)
class _Chart:
    """A static picture of the first choice of x axis, a specification for each choice, and the data."""

    anchor: str
    svg: Markup
    options: Markup
    rows: Markup


@dataclass(frozen=True)
class _Board:
    """A board with its pictures and data for scripts; `panels` by measure, contrast and covariate."""

    view: BoardView
    overview: OverviewView
    symbols: Mapping[str, Symbol]
    interval_bars: Mapping[str, IntervalBar]
    critical: Markup
    panels: Mapping[tuple[str, int, int], Markup]
    trends: Markup
    costs: _Chart | None
    anytime: _Chart | None
    errors: Markup
    exports: Markup


def render_site(site: SiteView, out: Path, *, live: bool = False, keep: Keep = no_cache) -> Path:
    """Write the page of `site` to the file `out` and return its path; missing folders are created.

    The file is self-contained, and its content security policy forbids requests. Only a page with a data folder next
    to it, or a live page, may request files from its own server. Readers see the old or the new page, never a partial
    one.

    Args:
        live: whether the page reloads when it has changed.
        keep: caches slow parts for the next page.

    Example:
        >>> from tempfile import mkdtemp
        >>> from reports.views import SiteView
        >>> site = SiteView(title="My runs", package_version="0.1.0", generated_at="2026-11-25 12:00 UTC")
        >>> page = render_site(site, Path(mkdtemp()) / "index.html")
        >>> "The results database holds no runs yet." in page.read_text("utf-8")
        True
    """
    options: dict[str, Any] = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=PackageLoader("reports"), undefined=StrictUndefined, **options)
    environment.filters |= {function.__name__: function for function in (*FORMATS, result_text)}
    symbols = assign_symbols(entry for board in site.boards for entry in board.entries)
    overviews = {overview.anchor: overview for overview in site.overviews}
    boards = [_board(board, overviews[board.anchor], symbols, site.error_analysis) for board in site.boards]
    has_charts = any(board.costs or board.anytime for board in boards)
    first = max(range(len(site.overviews)), key=lambda index: site.overviews[index].n_runs, default=0)
    page = environment.get_template("page.html.j2").render(
        live=live,
        makes_requests=live or site.error_analysis.folder is not None,
        site=site,
        boards=boards,
        published_boards=[
            {"view": view, "panels": _panels(view), "trends": _trends(view), "overview": overviews[view.anchor]}
            for view in site.published_boards
        ],
        first=first,
        hero=hero_svg(site.overviews[first], site.overviews[first].measures[-1]) if overviews else Markup(""),
        answers=[answer(overview, overview.measures[-1]) for overview in site.overviews],
        small_prints=[small_print(overview, overview.measures[-1]) for overview in site.overviews],
        missing_runs=missing_runs,
        failed_runs=failed_runs,
        advice_check=advice_check,
        points=points,
        largest_gain=_largest_gain,
        interval=interval,
        overview_data=_overview_data(site.overviews, first) if overviews else Markup(""),
        settings=[*site.boards, *site.published_boards],
        sections=_sections(site),
        style=_sources(environment, "style/{}.css", STYLES),
        script=_sources(environment, "script/{}.js", SCRIPTS),
        runtime=_inside_script(runtime_script(keep)) if has_charts else Markup(""),
        measure_titles=MEASURE_TITLES,
        panel_titles=PANEL_TITLES,
        h_titles=H_TITLES,
        measure_phrases=PHRASES,
        cost_axes=COST_AXES,
        cost_text=cost_text,
        front_text=front_text,
        quality_columns=QUALITY_COLUMNS,
        figures=[{"view": figure, "svg": _figure_svg(figure)} for figure in site.figures],
        class_lists=json_island(list_rows(site.error_analysis)),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.draft")
    try:
        draft.write_text(page, encoding="utf-8")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return out


def _largest_gain(found: AnswerView) -> float:
    """The largest gain or loss on a group of datasets, for the shading of the board."""
    return max((abs(gain) for row in found.gains.values() for gain in row if gain is not None), default=0.0) or 1.0


def _overview_data(overviews: Sequence[OverviewView], first: int) -> Markup:
    most = max(max(len(view.datasets), len(view.seeds)) for view in overviews)
    return json_island(
        {
            "first": overviews[first].anchor,
            "titles": SCORE_TITLES,
            "places": PLACES,
            "t": t_quantiles(most),
            "settings": {view.anchor: hero_data(view) for view in overviews},
        }
    )


def _board(view: BoardView, overview: OverviewView, symbols: Mapping[str, Symbol], errors: ErrorAnalysisView) -> _Board:
    shown = view.measures[-1]
    ranks = view.standings.critical
    costs = {COST_AXES[axis]: cost_chart(view, axis, symbols) for axis in cost_axes(view)} if view.costs else {}
    has_curves = view.anytime is not None and view.anytime.curves
    times = {title: anytime_chart(view, axis, symbols) for axis, title in TIME_AXES.items()} if has_curves else {}
    return _Board(
        view=view,
        overview=overview,
        symbols=symbols,
        interval_bars=interval_bars({e.key: e.values[shown] for e in view.entries if shown in e.values}),
        critical=Markup("") if ranks is None else critical_svg(ranks, {e.key: e.name for e in view.entries}),
        panels=_panels(view),
        trends=_trends(view),
        costs=_chart(f"{view.anchor}-costs", costs, cost_rows(view)) if costs else None,
        anytime=_chart(f"{view.anchor}-anytime", times, anytime_rows(view)) if times else None,
        errors=json_island(cell_rows(view, errors)),
        exports=json_island(view.exports),
    )


def _chart(anchor: str, specs: Mapping[str, Spec], rows: Sequence[Mapping[str, Any]]) -> _Chart:
    """A chart with a specification by the title of the choice."""
    svg = static_svg(next(iter(specs.values())), rows, prefix=anchor)
    options = [{"title": title, "spec": spec} for title, spec in specs.items()]
    return _Chart(anchor, Markup(svg), json_island(options), json_island(rows))


def _trends(view: BoardView | PublishedBoardView) -> Markup:
    return json_island([leave_one_out_data(trends) for trends in view.part_trends])


def _panels(view: BoardView | PublishedBoardView) -> dict[tuple[str, int, int], Markup]:
    titles = {dataset.name: dataset.title for dataset in view.datasets}
    return {
        (trends.measure, number, place): panel_svg(contrast, panel, trends.covariates[place], titles)
        for trends in view.part_trends
        for number, contrast in enumerate(trends.contrasts)
        for place, panel in enumerate(contrast.panels)
    }


def _sections(site: SiteView) -> Sequence[Section]:
    """The sections that apply to the page."""
    if site.published_boards:
        return PUBLISHED_SECTIONS
    return [section for section in SECTIONS if section.name != "figures" or site.figures] if site.boards else ()


def _figure_svg(figure: FigureView) -> Markup:
    prefix = f"f-{figure.name}"
    return Markup(static_svg(figure_chart(figure), figure_rows(figure), prefix=prefix) if figure.points else "")


def json_island(value: object) -> Markup:
    """JSON for a script element, with every character escaped that could end the element or open another one."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _inside_script(source: str) -> Markup:
    return Markup(source.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def _sources(environment: Environment, pattern: str, names: Sequence[str]) -> Markup:
    """The concatenated text of files in the template folder."""
    assert environment.loader is not None
    sources = (environment.loader.get_source(environment, pattern.format(name))[0] for name in names)
    return Markup("\n".join(sources))
