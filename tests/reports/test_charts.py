import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import vl_convert
from report_sample import catalogue, difficulty_frame, runs_frame

import reports.charts.figures as figures
from bench.papers.figures.figure import FigurePoint, PaperFigure
from reports import figure_file
from reports.charts.costs import cost_axes
from reports.charts.figures import figure_svg
from reports.charts.hero import percent_scale
from reports.charts.plot import linear_axis, log_axis
from reports.presenters.content import PageContent
from reports.presenters.site import site_view


def test_names_in_figures_stay_text():
    evil = "<b onmouseover=alert(1)>\"'&"
    figure = PaperFigure("f", evil, evil, evil, "line", (FigurePoint(evil, evil, 1.0, 2.0, 1.0, 3.0, 3, ("a",)),))
    assert "<b" not in figure_svg(figure)


def test_memory_is_shown_only_where_every_method_has_it():
    runs = runs_frame(protocols=("base-to-new",))
    full, partial = (
        site_view(PageContent(frame, difficulty_frame(), catalogue(), package_version="0")).boards[0]
        for frame in (runs, runs.assign(added_memory_bytes=runs["added_memory_bytes"].mask(runs["method"] == "coop")))
    )
    assert cost_axes(full) == ["train_seconds", "parameters", "passes", "memory"]
    assert cost_axes(partial) == ["train_seconds", "parameters", "passes"]
    coop = next(point for point in partial.costs if point.entry == "coop")
    assert "memory" not in coop.costs


FIGURES = [
    PaperFigure("few", "Few", "Fig. 1", "", "line", (), x_title="Shots", x_log=True),
    PaperFigure("names", "Names", "Fig. 2", "", "bar", (), order=("a", "b", "c")),
    PaperFigure("own", "Own scales", "Fig. 3", "", "point", (), y_title="Seconds", own_y=True),
]


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
@pytest.mark.parametrize("panels", [1, 4])
def test_a_figure_shows_every_point_and_becomes_a_file_of_each_kind(figure, panels):
    xs = figure.order or (1.0, 4.0, 16.0)
    points = tuple(
        FigurePoint(f"panel {p}", series, x, 40.0 + 9 * p + at, 30.0, 120.0, 3, ("run",))
        for p in range(panels)
        for series in ("one", "two")
        for at, x in enumerate(xs)
    )
    figure = replace(figure, points=points)
    svg = figure_svg(figure)
    assert svg.count("<title>") == len(points)
    assert "NaN" not in svg
    assert all(name in svg for name in ("one", "two", *(f"panel {p}" for p in range(panels))))
    assert figure_file(figure, "svg").startswith(b"<svg ")
    assert b"currentColor" not in figure_file(figure, "svg")
    assert figure_file(figure, "pdf").startswith(b"%PDF")
    assert figure_file(figure, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
@pytest.mark.parametrize("panels", [1, 4])
def test_the_vega_lite_file_draws_the_same_numbers(figure, panels):
    xs = figure.order or (1.0, 4.0, 16.0)
    points = tuple(
        FigurePoint(f"panel {p}", series, x, 40.0 + 9 * p + at, low, 60.0 if low else None, 3, ("run",))
        for p in range(panels)
        for series, low in (("one", 30.0), ("two", None))
        for at, x in enumerate(xs)
    )
    printed = (FigurePoint("panel 0", "one", xs[0], 44.0, None, None, 1),)
    text = figure_file(replace(figure, points=points, printed=printed), "vl.json").decode()
    values = json.loads(text)["data"]["values"]
    assert [(row["panel"], row["series"], row["x"], row["y"]) for row in values] == [
        (point.panel, point.series, point.x, point.y) for point in (*points, *printed)
    ]
    svg = vl_convert.vegalite_to_svg(text)
    assert svg.count('aria-roledescription="point"') == len(points) + len(printed)
    assert svg.count('aria-roledescription="rule mark"') == len(points) // 2, "only what has an interval"
    assert svg.count('aria-roledescription="line mark"') == (2 * panels if figure.kind == "line" else 0)
    assert all(name in svg for name in ("one", "two", *(f"panel {p}" for p in range(panels))))


@pytest.mark.parametrize("title", ["Accuracy, %", "Base − new, points", "Seconds"])
def test_one_long_interval_ends_in_arrow_heads_and_does_not_set_the_scale(title):
    points = [FigurePoint("p", "s", float(x), 50.0 + x, 48.0 + x, 52.0 + x, 3, ("r",)) for x in range(5)]
    figure = PaperFigure("f", "F", "Fig. 1", "", "line", tuple(points), y_title=title)
    long = replace(figure, points=(*points[:4], replace(points[4], low=-900.0, high=900.0)))
    plain, cut = (ElementTree.fromstring(figure_svg(one)) for one in (figure, long))
    bars = [[path.get("d") for path in svg.iter() if path.get("stroke-opacity") == ".6"] for svg in (plain, cut)]
    assert [bar.count("L") for bar in bars[0]] == [0] * 5
    assert [bar.count("L") for bar in bars[1]] == [0] * 4 + [4], "arrow heads at both ends of the long one"
    heights = [
        abs(float(bar.split("V")[1]) - float(bar.split(",")[1].split("V")[0])) for bar in (bars[0][0], bars[1][0])
    ]
    assert heights[1] > 0.4 * heights[0], "the other intervals stay readable"
    assert long.interval(long.points[4]) == {"A": (0.0, 100.0), "B": (-100.0, 100.0), "S": (-900.0, 900.0)}[title[0]]


def test_control_characters_in_a_name_do_not_stop_the_files():
    evil = "a\x1b]0;owned\x07\x00\ufffe b <i>"
    odd = PaperFigure("f", evil, evil, evil, "line", (FigurePoint(evil, evil, 1.0, 2.0, 1.0, 3.0, 3, ("a",)),))
    assert figure_file(odd, "pdf").startswith(b"%PDF")
    assert figure_file(odd, "png").startswith(b"\x89PNG")
    ElementTree.fromstring(figure_file(odd, "svg"))


@pytest.mark.parametrize("crash", ["import os; os.abort()", "raise ValueError('no such font')"])
def test_a_renderer_that_crashes_is_an_error_and_not_the_end(crash, monkeypatch, tmp_path):
    (tmp_path / "crashing.py").write_text(crash)
    monkeypatch.setattr(figures, "_CONVERTER", tmp_path / "crashing.py")
    figure = PaperFigure("f", "t", "x", "y", "line", (FigurePoint("p", "s", 1.0, 2.0, 1.0, 3.0, 3, ("a",)),))
    with pytest.raises(RuntimeError, match="renderer of PDF files failed: (exit code -6|ValueError: no such font)"):
        figure_file(figure, "pdf")


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [1e-9, 2e-9], [3.0, 4.0], [0.0, 1e12]])
def test_axes_have_ticks_and_finite_places_for_any_values(values):
    axes = [linear_axis(values, 0, 100), log_axis(values, 0, 100, constant=0.1)]
    axes += [log_axis(values, 0, 100)] if min(values) > 0 else []
    for axis in axes:
        assert 1 <= len(axis.ticks) <= 40
        assert all(0 <= axis.at(value) <= 100 for value in values)


@pytest.mark.parametrize("reach", [1e-6, 0.004, 0.3, 0.8])
def test_the_picture_has_ticks_for_differences_of_any_size(reach: float) -> None:
    to_y, ticks = percent_scale([-reach, 0.0, reach], 0.0, 100.0, signed=True)
    assert 1 <= len(ticks) <= 5
    assert [to_y(-reach), to_y(reach)] == pytest.approx([100 * 1.12 / 1.24, 100 * 0.12 / 1.24], abs=0.2)


def test_the_scale_of_the_picture_ends_at_what_is_possible() -> None:
    """An interval over two datasets can reach far beyond 100 points; it is cut there."""
    to_y, ticks = percent_scale([-9.0, 0.0, 9.0], 0.0, 100.0, signed=True)
    assert [text for _, text in ticks] == ["−100", "−50", "0", "+50", "+100"]
    assert (to_y(-1.0), to_y(1.0)) == (100.0, 0.0)
    to_y, _ = percent_scale([0.4, 1.0], 0.0, 100.0)
    assert to_y(1.0) == 0.0
