import json
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

import reports.charts.figures as figures
from bench.papers.figures.figure import FigurePoint, PaperFigure
from reports import figure_file
from reports.charts.costs import cost_axes
from reports.charts.figures import figure_specification, figure_svg
from reports.charts.hero import hero_caption, hero_picture, hero_specification
from reports.charts.plot import linear_axis
from reports.presenters.content import PageContent
from reports.presenters.site import site_view


def overview(measured=None, names=None, **columns):
    runs = runs_frame(protocols=("base-to-new",)).assign(**columns)
    measured = difficulty_frame() if measured is None else measured
    return site_view(PageContent(runs, measured, names or catalogue(), package_version="0")).overviews[0]


def test_the_chart_of_difficulty_has_the_means_of_both_methods_from_easy_to_hard():
    view = overview()
    along = view.answers["H"].difficulty["relative_transfer_difficulty"]
    rows = hero_specification(view)["data"]["values"]
    assert [row["x"] for row in rows] == sorted(along.values())
    for row, name in zip(rows, sorted(along, key=along.get), strict=True):
        apex, zero = (100 * view.table.mean(key, name, "H") for key in ("apex", "zero_shot"))
        assert row["dataset"] == view.title(name)
        assert [row["a"], row["b"], row["difference"]] == [apex, zero, apex - zero]
        assert row["low"] <= min(apex, zero) < max(apex, zero) <= row["high"]
    lead = view.answers["H"].lead
    assert f"Mean difference {100 * lead.mean:+.1f} points" in hero_caption(view)
    svg = ElementTree.fromstring(hero_picture(view)).find("{http://www.w3.org/2000/svg}svg")
    texts = {"".join(node.itertext()) for node in svg.iter() if node.tag.endswith("}text")}
    assert {row["dataset"] for row in rows} | {"H, %", "Difference, points"} <= texts


def test_names_of_datasets_keep_their_distance_on_the_axis_and_in_order():
    for measured in (difficulty_frame(), difficulty_frame().assign(value=0.5)):
        names = [row["name"] for row in hero_specification(overview(measured))["data"]["values"]]
        assert all(later - one >= 19.9 for one, later in pairwise(names))
        assert 0 <= names[0] < names[-1] <= 700


def test_a_dataset_without_difficulty_is_named_below_the_chart():
    measured = difficulty_frame()
    view = overview(measured[measured["dataset"] != "dtd"])
    assert "DTD" not in [row["dataset"] for row in hero_specification(view)["data"]["values"]]
    assert "Without a known difficulty: DTD." in hero_caption(view)
    none = overview(measured.iloc[:0])
    assert len(hero_specification(none)["data"]["values"]) == len(none.datasets)
    assert "DTD" in hero_picture(none)
    assert "Without a known difficulty" not in hero_caption(none)


@pytest.mark.parametrize("evil", ["<b onmouseover=alert(1)>\"'&", "a\x1b]0;owned\x07\x00\ufffe <b>", "\u2028<b>\ud800"])
def test_any_name_is_text_in_a_chart(evil):
    names = catalogue()
    datasets = {name: replace(facts, title=evil) for name, facts in names.datasets.items()}
    methods = {name: replace(sheet, title=evil) for name, sheet in names.methods.items()}
    picture = hero_picture(overview(names=replace(names, datasets=datasets, methods=methods)))
    assert "&lt;b" in picture
    assert "<b" not in picture.partition("<figcaption>")[0]
    figure = PaperFigure("f", evil, evil, evil, "line", (FigurePoint(evil, evil, 1.0, 2.0, 1.0, 3.0, 3, ("a",)),))
    assert "<b" not in figure_svg(figure)


def test_an_interval_over_datasets_ends_at_100_points():
    """An interval over two datasets can reach far beyond 100 points."""
    runs = runs_frame(protocols=("base-to-new",))
    runs = runs[runs["dataset"].isin(["imagenet", "fgvc_aircraft"])]
    view = site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0")).overviews[0]
    low, high = view.answers["H"].lead.over_datasets
    assert max(-low, high) > 1
    band = hero_specification(view)["vconcat"][1]["layer"][0]["data"]["values"][0]
    assert [band["low"], band["high"]] == [max(100 * low, -100), min(100 * high, 100)]


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
    assert marks(svg, "rule") == len(points) // 2, "only what has an interval"
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
    assert cut[4]["high"] > cut[4]["to"] == cut[4]["over"] < 65, "the other intervals stay readable"
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
    axis = linear_axis(values, 0, 100)
    assert 1 <= len(axis.ticks) <= 40
    assert all(0 <= axis.at(value) <= 100 for value in values)
