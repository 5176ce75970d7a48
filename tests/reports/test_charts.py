import json
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

import reports.charts.svg_file as svg_files
from reports.charts.cost import cost_axes
from reports.charts.difficulty import difficulty_caption, difficulty_picture
from reports.charts.names import ABOVE, place_names
from reports.charts.plot import linear_axis
from reports.presenters.content import PageContent
from reports.presenters.site import site_view


def overview(measured=None, names=None, **columns):
    runs = runs_frame(protocols=("base-to-new",)).assign(**columns)
    measured = difficulty_frame() if measured is None else measured
    return site_view(PageContent(runs, measured, names or catalogue(), package_version="0")).overviews[0]


def drawn(svg):
    """The columns of a drawing by the title of their dataset, from left to right: place, texts and marks."""
    found = {}
    for column in svg.findall(".//{*}g"):
        if column.get("data-d") is not None:
            texts = {node.get("data-text"): node.text for node in column.iter() if node.get("data-text")}
            marks = {node.get("data-mark"): node for node in column.iter() if node.get("data-mark")}
            x = float(column.get("transform")[10:].split(",")[0])
            found[texts["name"]] = (x, texts, {name: mark for name, mark in marks.items() if not mark.get("display")})
    return dict(sorted(found.items(), key=lambda item: item[1][0]))


def wide(view):
    return ElementTree.fromstring(difficulty_picture(view)).find("{*}svg")


def test_the_chart_of_difficulty_has_the_means_of_both_methods_from_easy_to_hard():
    view = overview()
    along = view.answers["H"].difficulty["relative_transfer_difficulty"]
    svg = wide(view)
    zero, unit = (json.loads(svg.get("data-frame"))[name] for name in ("zero", "unit"))
    columns = drawn(svg)
    assert list(columns) == [view.title(name) for name in sorted(along, key=along.get)]
    for (_, texts, marks), name in zip(columns.values(), sorted(along, key=along.get), strict=True):
        for mark, key in (("a", "apex"), ("zero", "zero_shot")):
            y = float(marks[mark].get("transform")[:-1].split(",")[1])
            assert (y - zero) / unit == pytest.approx(100 * view.table.mean(key, name, "H"), abs=0.06)
        gap = view.table.mean("apex", name, "H") - view.table.mean("zero_shot", name, "H")
        assert float(texts["difference"].replace("\u2212", "-")) == pytest.approx(100 * gap, abs=0.07)
        assert "b" not in marks, "zero-shot is the dash"
    lead = view.answers["H"].lead
    assert f"mean {100 * lead.mean:+.1f} points" in difficulty_caption(view)
    texts = {"".join(node.itertext()) for node in svg.findall(".//{*}text")}
    assert {"H, %", f"APEX minus {view.names['zero_shot']}, points"} <= texts


def test_every_dataset_has_a_place_and_one_without_difficulty_is_last():
    measured = difficulty_frame()
    view = overview(measured[measured["dataset"] != "dtd"])
    columns = drawn(wide(view))
    places = [place for place, *_ in columns.values()]
    assert list(columns)[-1] == "DTD"
    assert columns["DTD"][1]["x"] == "–"
    assert len({round(later - one, 3) for one, later in pairwise(places)}) == 1
    assert "–: no known difficulty." in difficulty_caption(view)
    none = overview(measured.iloc[:0])
    assert list(drawn(wide(none))) == [dataset.title for dataset in none.datasets]
    assert "no known difficulty" not in difficulty_caption(none)


def test_the_difference_of_two_scales_is_shown_by_the_smaller_one_that_holds_all():
    svg = wide(overview())
    scales = [node for node in svg.findall(".//{*}g") if node.get("data-scale")]
    shown = [json.loads(node.get("data-scale")) for node in scales if not node.get("display")]
    gaps = [float(texts["difference"].replace("\u2212", "-")) for _, texts, _ in drawn(svg).values()]
    assert len(shown) == 1
    low, high, *_ = shown[0]
    assert low <= min(gaps) <= max(gaps) <= high < 2.5 * max(gaps)


@pytest.mark.parametrize("evil", ["<b onmouseover=alert(1)>\"'&", "a\x1b]0;owned\x07\x00\ufffe <b>", "\u2028<b>\ud800"])
def test_any_name_is_text_in_a_chart(evil):
    names = catalogue()
    datasets = {name: replace(facts, title=evil) for name, facts in names.datasets.items()}
    methods = {name: replace(sheet, title=evil) for name, sheet in names.methods.items()}
    picture = difficulty_picture(overview(names=replace(names, datasets=datasets, methods=methods)))
    assert "&lt;b" in picture
    assert "<b" not in picture.partition("<figcaption>")[0]


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


def test_a_name_stands_apart_from_the_front():
    marks, names = {"a": (50.0, 50.0), "b": (190.0, 20.0)}, {"a": "CoOp", "b": "VPT"}
    front = [(50.0, 50.0, 190.0, 50.0), (190.0, 20.0, 190.0, 50.0)]
    for lines, middle in (([], 50), (front, 35)):
        label = place_names(marks, names, (40, 0, 300, 100), lines=lines)["a"]
        assert label.y == middle + ABOVE


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
