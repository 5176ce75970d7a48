"""Charts of figures: every point, its interval and its name, as files of each kind."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from bench.extensions.paper_figures.chart import figure_specification
from bench.extensions.paper_figures.figure import FigurePoint, PaperFigure
from reports import chart_file


def figure_file(figure, kind):
    return chart_file(figure_specification(figure), kind)


FIGURES = [
    PaperFigure("few", "Few", "Fig. 1", "", "line", (), x_title="Shots", x_log=True),
    PaperFigure("names", "Names", "Fig. 2", "", "bar", (), order=("a", "b", "c")),
    PaperFigure("own", "Own scales", "Fig. 3", "", "point", (), y_title="Seconds", own_y=True),
]


def marks(svg, kind):
    """How many marks of a kind (`symbol`, `rule`, `line`) a chart has, apart from its axes and legends."""
    groups = [
        node
        for node in ElementTree.fromstring(svg).iter()
        if node.get("class", "").startswith(f"mark-{kind} role-mark")
    ]
    return sum(len(group) for group in groups)


def rows_of(figure):
    """The numbers of a figure's file."""
    panels = json.loads(figure_file(figure, "vl.json"))["concat"]
    return [row | {"panel": panel["title"]} for panel in panels for row in panel["data"]["values"]]


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
@pytest.mark.parametrize("panels", [1, 4])
def test_a_figure_shows_every_point_and_becomes_a_file_of_each_kind(figure, panels):
    xs = figure.order or (1.0, 4.0, 16.0)
    points = tuple(
        FigurePoint(f"panel {p}", series, x, 40.0 + 9 * p + at, low, 60.0 if low else None, 3, ("run",))
        for p in range(panels)
        for series, low in (("one", 39.0), ("two", None))
        for at, x in enumerate(xs)
    )
    printed = (FigurePoint("panel 0", "one", xs[0], 44.0, None, None, 1),)
    figure = replace(figure, points=points, printed=printed)
    assert sorted((row["panel"], row["series"], row["x"], row["y"], row["kind"]) for row in rows_of(figure)) == sorted(
        [(p.panel, p.series, p.x, p.y, "ours") for p in points]
        + [(p.panel, p.series, p.x, p.y, "printed") for p in printed]
    )
    svg = figure_file(figure, "svg").decode()
    heads = sum(("over" in row) + ("under" in row) for row in rows_of(figure))
    assert marks(svg, "symbol") == len(points) + len(printed) + heads
    assert marks(svg, "rule") == len(points) // 2, "a rule without an interval"
    assert marks(svg, "line") == (2 * panels if figure.kind == "line" else 0)
    assert "NaN" not in svg
    assert "currentColor" not in svg
    assert all(name in svg for name in ("one", "two", *(f"panel {p}" for p in range(panels))))
    assert figure_file(figure, "pdf").startswith(b"%PDF")
    assert figure_file(figure, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("title", ["Accuracy, %", "Base − new, points", "Seconds"])
def test_one_long_interval_ends_in_arrow_heads_and_does_not_set_the_scale(title):
    points = [FigurePoint("p", "s", float(x), 50.0 + x, 48.0 + x, 52.0 + x, 3, ("r",)) for x in range(5)]
    figure = PaperFigure("f", "F", "Fig. 1", "", "line", tuple(points), y_title=title)
    long = replace(figure, points=(*points[:4], replace(points[4], low=-900.0, high=900.0)))
    plain, cut = rows_of(figure), rows_of(long)
    assert not any("over" in row or "under" in row for row in plain)
    assert [("over" in row, "under" in row) for row in cut] == [(False, False)] * 4 + [(True, True)]
    assert (cut[4]["low"], cut[4]["high"]) == long.interval(long.points[4])
    assert cut[4]["high"] > cut[4]["to"] == cut[4]["over"] < 65, "other intervals stay readable"
    assert marks(figure_file(long, "svg"), "symbol") == 5 + 2
    assert long.interval(long.points[4]) == {"A": (0.0, 100.0), "B": (-100.0, 100.0), "S": (-900.0, 900.0)}[title[0]]


def test_no_two_series_of_a_figure_look_the_same():
    points = tuple(FigurePoint("p", f"s{n}", 1.0, float(n), None, None, 1) for n in range(30))
    layers = figure_specification(PaperFigure("f", "F", "Fig. 1", "", "point", points))["concat"][0]["layer"]
    encoding = next(layer["encoding"] for layer in layers if "shape" in layer["encoding"])
    looks = set(zip(encoding["color"]["scale"]["range"], encoding["shape"]["scale"]["range"], strict=True))
    assert len(looks) == 30


def test_control_characters_in_a_name_do_not_stop_the_files():
    evil = "a\x1b]0;owned\x07\x00\ufffe b <i>"
    odd = PaperFigure("f", evil, evil, evil, "line", (FigurePoint(evil, evil, 1.0, 2.0, 1.0, 3.0, 3, ("a",)),))
    assert b"<i" not in figure_file(odd, "svg")
    assert figure_file(odd, "pdf").startswith(b"%PDF")
    assert figure_file(odd, "png").startswith(b"\x89PNG")
    ElementTree.fromstring(figure_file(odd, "svg"))
