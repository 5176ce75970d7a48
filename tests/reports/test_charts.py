from dataclasses import replace
from xml.etree import ElementTree

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame, sample_site

import reports.charts.svg_file as svg_files
from reports.charts.cost_chart import cost_axes
from reports.charts.names import ABOVE, place_names
from reports.charts.plot import linear_axis
from reports.figures import difficulty_picture
from reports.map.gain_map import gain_map
from reports.presenters.content import PageContent
from reports.presenters.site import site_view


def overview(measured=None, names=None, **columns):
    runs = runs_frame(protocols=("base-to-new",)).assign(**columns)
    measured = difficulty_frame() if measured is None else measured
    return site_view(PageContent(runs, measured, names or catalogue(), package_version="0")).overviews[0]


def test_the_file_of_the_chart_has_the_scores_of_two_methods_on_every_dataset_from_easy_to_hard():
    view = overview()
    shown = gain_map(view, "H")
    svg = ElementTree.fromstring(difficulty_picture(view, ("apex", "coop")))
    drawn = [node for node in svg.iter() if node.get("class") == "marks"]
    places = [float(node.get("x")) for node in svg.iter() if node.find("{*}svg[@class='marks']") is not None]
    assert len(drawn) == len(shown.columns)
    assert places == sorted(places)
    for node, column in zip(drawn, shown.columns, strict=True):
        for class_, key in (("mine", "apex"), ("theirs", "coop")):
            (number,) = (one.text for one in node.findall("{*}text") if one.get("class").startswith(class_))
            assert int(number) == pytest.approx(100 * view.table.mean(key, column.name, "H"), abs=0.51)
        assert node.find("{*}circle").get("cy") != node.find("{*}rect[@class='dash']").get("y")
    texts = {"".join(node.itertext()) for node in svg.findall(".//{*}text")}
    assert {"H, %", "APEX", "CoOp", "Easy", "Hard"} <= texts


def test_every_dataset_has_a_place_and_one_without_difficulty_is_last():
    measured = difficulty_frame()
    assert gain_map(overview(measured[measured["dataset"] != "dtd"]), "H").columns[-1].name == "dtd"
    none = overview(measured.iloc[:0])
    assert [column.name for column in gain_map(none, "H").columns] == [dataset.name for dataset in none.datasets]
    ElementTree.fromstring(difficulty_picture(none))


@pytest.mark.parametrize("evil", ["<b onmouseover=alert(1)>\"'&", "a\x1b]0;owned\x07\x00\ufffe <b>", "\u2028<b>\ud800"])
def test_any_name_is_text_in_a_chart(evil):
    names = catalogue()
    datasets = {name: replace(facts, title=evil) for name, facts in names.datasets.items()}
    methods = {name: replace(sheet, title=evil) for name, sheet in names.methods.items()}
    picture = difficulty_picture(overview(names=replace(names, datasets=datasets, methods=methods)))
    assert "&lt;b" in picture
    assert "<b" not in picture


def test_memory_is_shown_only_where_every_method_has_it():
    runs = runs_frame(protocols=("base-to-new",))
    full, partial = (
        sample_site(frame).boards[0]
        for frame in (runs, runs.assign(added_memory_bytes=runs["added_memory_bytes"].mask(runs["method"] == "coop")))
    )
    assert cost_axes(full) == ["train_seconds", "parameters", "passes", "memory"]
    assert cost_axes(partial) == ["train_seconds", "parameters", "passes"]
    coop = next(point for point in partial.costs if point.entry == "coop")
    assert "memory" not in coop.costs


def test_a_name_stands_apart_from_the_front():
    marks, names = {"a": (50.0, 50.0), "b": (190.0, 20.0)}, {"a": "CoOp", "b": "VPT"}
    front = [(50.0, 50.0, 190.0, 50.0), (190.0, 20.0, 190.0, 50.0)]
    for lines, middle in (([], 50), (front, 35)):
        label = place_names(marks, names, (40, 0, 300, 100), lines=lines)["a"]
        assert label.y == middle + ABOVE
    crossed = [*front, (60.0, 0.0, 60.5, 100.0)]
    label = place_names(marks, names, (40, 0, 300, 100), lines=crossed)["a"]
    assert (label.y, label.line) == (50 + ABOVE, ""), "near, where it can only cross a line"


@pytest.mark.parametrize("crash", ["import os; os.abort()", "raise ValueError('no such font')"])
def test_a_renderer_that_crashes_is_an_error_and_not_the_end(crash, monkeypatch, tmp_path):
    (tmp_path / "crashing.py").write_text(crash)
    monkeypatch.setattr(svg_files, "_CONVERTER", tmp_path / "crashing.py")
    with pytest.raises(RuntimeError, match="renderer of PDF files failed: (exit code -6|ValueError: no such font)"):
        svg_files.svg_file("<svg></svg>", ".pdf")


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [1e-9, 2e-9], [3.0, 4.0], [0.0, 1e12]])
def test_axes_have_ticks_and_finite_places_for_any_values(values):
    axis = linear_axis(values, 0, 100)
    assert 1 <= len(axis.ticks) <= 40
    assert all(0 <= axis.at(value) <= 100 for value in values)
