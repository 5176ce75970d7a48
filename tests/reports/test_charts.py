import json
import re
from dataclasses import replace

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

import reports.charts.hero as hero
from bench.presenters import site_view
from reports import _symbols
from reports.charts.costs import COST_AXES, cost_axes, cost_chart, cost_rows
from reports.charts.vega import SCHEMA, static_svg


@pytest.fixture(scope="module")
def board():
    return site_view(
        runs_frame(protocols=("base-to-new",)), difficulty_frame(), catalogue(), package_version="0"
    ).boards[0]


def test_specifications_are_valid_vega_lite(board):
    altair = pytest.importorskip("altair", reason="only used to validate")
    for axis in COST_AXES:
        spec = cost_chart(board, axis, _symbols.assign_symbols(board.entries))
        altair.Chart.from_dict(json.loads(json.dumps(spec)), validate=True)


def test_the_static_picture_follows_the_theme_and_its_ids_are_its_own(board):
    spec = cost_chart(board, "train_seconds", _symbols.assign_symbols(board.entries))
    svg = static_svg(spec, cost_rows(board), prefix="one")
    assert 'fill="currentColor"' in svg
    assert all(found.startswith("one-") for found in re.findall(r'\bid="([^"]+)"', svg))
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= set(re.findall(r'\bid="([^"]+)"', svg))


def test_entries_of_one_family_differ_in_colour_and_families_in_shape(board):
    entry = board.entries[0]
    crowd = [
        replace(entry, key=f"{family}{i}", method=f"m{i}", family=family)
        for family in _symbols.SHAPES
        for i in range(8)
    ]
    marks = _symbols.assign_symbols(crowd)
    assert len({(mark.colour, mark.shape) for mark in marks.values()}) == len(crowd)
    assert _symbols.assign_symbols(reversed(crowd)) == marks


def test_memory_is_drawn_only_where_every_method_has_it():
    runs = runs_frame(protocols=("base-to-new",))
    full, partial = (
        site_view(frame, difficulty_frame(), catalogue(), package_version="0").boards[0]
        for frame in (runs, runs.assign(added_memory_bytes=runs["added_memory_bytes"].mask(runs["method"] == "coop")))
    )
    assert cost_axes(full) == ["parameters", "train_seconds", "passes", "memory"]
    assert cost_axes(partial) == ["parameters", "train_seconds", "passes"]
    coop = next(point for point in partial.costs if point.entry == "coop")
    assert "memory" not in coop.costs
    assert all("memory" not in row for row in cost_rows(partial))


def test_characters_that_the_renderer_cannot_draw_are_replaced():
    """Each of them made the renderer abort the process."""
    rows = [{"a": f"x{character}y", "b": 1} for character in "\x00\x07\x0b\x1b\x1f\ud800\ufffe\uffff"]
    spec = {"$schema": SCHEMA, "description": "d\x1b", "data": {"name": "rows"}, "mark": "point"}
    axes = {"x": {"field": "a", "type": "nominal"}, "y": {"field": "b", "type": "quantitative"}}
    svg = static_svg(spec | {"encoding": axes}, rows, prefix="p")
    assert "x\ufffdy" in svg
    assert "\x1b" not in svg


@pytest.mark.parametrize("reach", [1e-6, 0.004, 0.3, 2.5, 13.0, 900.0])
def test_the_picture_has_ticks_for_differences_of_any_size(reach: float) -> None:
    """An interval over two datasets can reach far beyond 100 points."""
    to_y, ticks = hero._scale([-reach, 0.0, reach], 0.0, 100.0, signed=True)
    assert 1 <= len(ticks) <= 5
    assert [to_y(-reach), to_y(reach)] == pytest.approx([100 * 1.06 / 1.12, 100 * 0.06 / 1.12], abs=0.2)
