"""Views to one HTML file that needs no network: styles, scripts, data and static pictures are all inside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports import _format
from reports._calibration_columns import QUALITY_COLUMNS
from reports._error_analysis_data import cell_rows, list_rows
from reports._interval_bars import IntervalBar, interval_bars
from reports._symbols import Symbol, assign_symbols
from reports.charts import (
    COST_AXES,
    PANEL_TITLES,
    TIME_AXES,
    Keep,
    anytime_chart,
    anytime_rows,
    cost_chart,
    cost_rows,
    cost_text,
    critical_svg,
    difficulty_chart,
    difficulty_rows,
    figure_chart,
    figure_rows,
    front_text,
    leave_one_out_data,
    made_anew,
    panel_svg,
    result_text,
    runtime_script,
    static_svg,
)
from reports.sections import PARTS, PUBLISHED_PARTS, Part
from reports.views import BoardView, ErrorAnalysisView, FigureView, PublishedBoardView, SiteView, TrendView

MEASURE_TITLES = {"base": "Base", "new": "New", "H": "H", "all": "Accuracy"}
STYLES = ("page", "tables", "charts", "difficulty_trends", "cards", "error_analysis", "media")
"""In order: later rules win; `media` changes the others for narrow screens and paper."""
SCRIPTS = (
    "page",
    "theme",
    "sortable_tables",
    "long_tables",
    "row_filters",
    "settings",
    "difficulty_trends",
    "run_browser",
    "error_analysis",
    "links",
    "search",
    "charts",
    "live_reload",
)
"""Put together into one function; `page` says what the others share."""
NAMED_TIES = 5
"""Methods of a tie with the best that the answer names; the table has them all."""
MEASURE_PHRASES = {"base": "base accuracy", "new": "new accuracy", "H": "H", "all": "accuracy"}
H_TITLES = {"h_of_means": "harmonic mean of the average base and new accuracy", "mean_of_h": "mean of per-dataset H"}


@dataclass(frozen=True)
class _Chart:
    """A difficulty chart: the static picture of the first axis, and a specification for each axis."""

    anchor: str
    target: str
    svg: Markup
    options: Markup
    rows: Markup | None = None


@dataclass(frozen=True)
class _Figure:
    """A paper's figure with its picture."""

    view: FigureView
    svg: Markup


@dataclass(frozen=True)
class _Board:
    """A view with what only drawing it needs."""

    view: BoardView
    symbols: Mapping[str, Symbol]
    interval_bars: Mapping[str, IntervalBar]
    charts: tuple[_Chart, ...]
    rows: Markup
    correlations: Mapping[tuple[str, str, str], TrendView]
    critical: Markup
    panels: Mapping[tuple[str, int, int], Markup]
    trends: Markup
    costs: _Chart | None
    anytime: _Chart | None
    errors: Markup


@dataclass(frozen=True)
class _PublishedBoard:
    """A published board with its pictures."""

    view: PublishedBoardView
    panels: Mapping[tuple[str, int, int], Markup]
    trends: Markup


def render_site(site: SiteView, out: Path, *, live: bool = False, keep: Keep = made_anew) -> Path:
    """Write the page of `site` to the file `out` and return it.

    The file is complete in itself and a content security policy inside it forbids any request; only a page with a
    folder beside it, or a live one, may ask its own server. Folders are made.

    Args:
        site: what it shows.
        out: the file.
        live: whether the page looks for a newer version of itself.
        keep: keeps what takes long to make from one page to the next.
    """
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": _format.percent,
        "points": _format.points_of_percent,
        "count": _format.count,
        "counted": _format.counted,
        "seconds": _format.seconds,
        "plain": _format.plain,
        "size": _format.size,
        "p_number": _format.p_number,
        "p_value": _format.p_value,
        "signed": _format.signed,
        "shorten": _format.shorten,
        "result_text": result_text,
    }
    published_boards = [_PublishedBoard(view, _panels(view), _trends_island(view)) for view in site.published_boards]
    symbols = assign_symbols(entry for board in site.boards for entry in board.entries)
    boards = [_board(board, symbols, site.error_analysis) for board in site.boards]
    has_charts = any(board.charts or board.costs or board.anytime for board in boards)
    page = environment.get_template("page.html.j2").render(
        live=live,
        asks=live or site.error_analysis.folder is not None,
        site=site,
        boards=boards,
        published_boards=published_boards,
        settings=[*site.boards, *site.published_boards],
        parts=_parts(site),
        style=_sources(environment, "style/{}.css", STYLES),
        script=_sources(environment, "script/{}.js", SCRIPTS),
        runtime=_inside_script(runtime_script(keep)) if has_charts else Markup(""),
        measure_titles=MEASURE_TITLES,
        panel_titles=PANEL_TITLES,
        h_titles=H_TITLES,
        measure_phrases=MEASURE_PHRASES,
        named_ties=NAMED_TIES,
        cost_axes=COST_AXES,
        cost_text=cost_text,
        front_text=front_text,
        quality_columns=QUALITY_COLUMNS,
        figures=[_Figure(figure, _figure_svg(figure)) for figure in site.figures],
        class_lists=json_island(list_rows(site.error_analysis)),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.draft")
    try:
        draft.write_text(page, encoding="utf-8")
        draft.replace(out)  # a page that is read while a new one is written is the old one, whole
    finally:
        draft.unlink(missing_ok=True)
    return out


def _board(view: BoardView, symbols: Mapping[str, Symbol], errors: ErrorAnalysisView) -> _Board:
    shown = view.measures[-1]
    rows = difficulty_rows(view) if view.axes and view.points else []
    targets = ["value"] if rows else []
    if any("gain" in row for row in rows):
        targets.append("gain")
    axis = view.axes[0].name if view.axes else None
    ranks = view.standings.critical
    return _Board(
        view=view,
        panels=_panels(view),
        trends=_trends_island(view),
        critical=Markup("") if ranks is None else critical_svg(ranks, {e.key: e.name for e in view.entries}),
        symbols=symbols,
        interval_bars=interval_bars(
            {entry.key: entry.values[shown] for entry in view.entries if shown in entry.values}
        ),
        charts=tuple(_chart(view, symbols, target, rows) for target in targets),
        costs=_cost_chart(view, symbols) if view.costs else None,
        anytime=_anytime_chart(view, symbols) if view.anytime and view.anytime.curves else None,
        errors=json_island(cell_rows(view, errors)),
        rows=json_island(rows),
        correlations={(t.entry, t.panel, t.target): t for t in view.trends if t.measure == axis},
    )


def _trends_island(view: BoardView | PublishedBoardView) -> Markup:
    return json_island([leave_one_out_data(trends) for trends in view.part_trends])


def _panels(view: BoardView | PublishedBoardView) -> dict[tuple[str, int, int], Markup]:
    """Small pictures by measure, contrast and covariate."""
    titles = {dataset.name: dataset.title for dataset in view.datasets}
    return {
        (trends.measure, number, place): panel_svg(contrast, panel, trends.covariates[place], titles)
        for trends in view.part_trends
        for number, contrast in enumerate(trends.contrasts)
        for place, panel in enumerate(contrast.panels)
    }


def _chart(view: BoardView, symbols: Mapping[str, Symbol], target: str, rows: list[dict[str, Any]]) -> _Chart:
    anchor = f"{view.anchor}-{target}"
    what = "accuracy" if target == "value" else "gain over zero-shot"
    specs = [
        difficulty_chart(
            view, axis, target, symbols, description=f"{axis.title} of each dataset against each method's {what}"
        )
        for axis in view.axes
    ]
    options = [
        {"name": axis.name, "title": axis.title, "spec": spec} for axis, spec in zip(view.axes, specs, strict=True)
    ]
    return _Chart(anchor, target, Markup(static_svg(specs[0], rows, prefix=anchor)), json_island(options))


def _cost_chart(view: BoardView, symbols: Mapping[str, Symbol]) -> _Chart:
    anchor, rows = f"{view.anchor}-costs", cost_rows(view)
    specs = {axis: cost_chart(view, axis, symbols) for axis in COST_AXES}
    options = [{"name": axis, "title": COST_AXES[axis], "spec": spec} for axis, spec in specs.items()]
    svg = static_svg(specs["parameters"], rows, prefix=anchor)
    return _Chart(anchor, "cost", Markup(svg), json_island(options), json_island(rows))


def _anytime_chart(view: BoardView, symbols: Mapping[str, Symbol]) -> _Chart:
    anchor, rows = f"{view.anchor}-anytime", anytime_rows(view)
    specs = {axis: anytime_chart(view, axis, symbols) for axis in TIME_AXES}
    options = [{"name": axis, "title": TIME_AXES[axis], "spec": spec} for axis, spec in specs.items()]
    svg = static_svg(specs["seconds"], rows, prefix=anchor)
    return _Chart(anchor, "anytime", Markup(svg), json_island(options), json_island(rows))


def _parts(site: SiteView) -> Sequence[Part]:
    """The sections that have something to show or to say."""
    if site.published_boards:
        return PUBLISHED_PARTS
    return [part for part in PARTS if part.name != "figures" or site.figures] if site.boards else ()


def _figure_svg(figure: FigureView) -> Markup:
    if not figure.points:
        return Markup("")
    return Markup(static_svg(figure_chart(figure), figure_rows(figure), prefix=f"f-{figure.name}"))


def json_island(value: object) -> Markup:
    """JSON for a script element: no character in it can end the element or open another one."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _inside_script(source: str) -> Markup:
    return Markup(source.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def _sources(environment: Environment, pattern: str, names: Sequence[str]) -> Markup:
    """Files of the template folder, one after the other."""
    if environment.loader is None:
        raise ValueError("The template environment has no loader.")
    return Markup("\n").join(
        Markup(environment.loader.get_source(environment, pattern.format(name))[0]) for name in names
    )
