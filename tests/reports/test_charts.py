from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

import reports.charts.vega_svg as vega_svg
from reports import chart_file
from reports.charts.cost import cost_axes
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


@pytest.mark.parametrize("crash", ["import os; os.abort()", "raise ValueError('no such font')"])
def test_a_renderer_that_crashes_is_an_error_and_not_the_end(crash, monkeypatch, tmp_path):
    (tmp_path / "crashing.py").write_text(crash)
    monkeypatch.setattr(vega_svg, "_CONVERTER", tmp_path / "crashing.py")
    with pytest.raises(RuntimeError, match="renderer of PDF files failed: (exit code -6|ValueError: no such font)"):
        chart_file(hero_specification(overview()), "pdf")


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [1e-9, 2e-9], [3.0, 4.0], [0.0, 1e12]])
def test_axes_have_ticks_and_finite_places_for_any_values(values):
    axis = linear_axis(values, 0, 100)
    assert 1 <= len(axis.ticks) <= 40
    assert all(0 <= axis.at(value) <= 100 for value in values)
