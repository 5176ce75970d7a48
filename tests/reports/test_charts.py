import json
import re
from dataclasses import replace

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

from bench.presenters import site_view
from reports import _symbols
from reports.charts.costs import cost_axes, cost_rows
from reports.charts.difficulty import difficulty_chart, difficulty_rows
from reports.charts.vega import static_svg


@pytest.fixture(scope="module")
def board():
    return site_view(
        runs_frame(protocols=("base-to-new",)), difficulty_frame(), catalogue(), package_version="0"
    ).boards[0]


def test_specifications_are_valid_vega_lite(board):
    altair = pytest.importorskip("altair", reason="only used to validate")
    for target in ("value", "gain"):
        for axis in board.axes:
            spec = difficulty_chart(board, axis, target, _symbols.assign_symbols(board.entries))
            altair.Chart.from_dict(json.loads(json.dumps(spec)), validate=True)


def test_rows_hold_percent_and_run_ids(board):
    rows = [row for row in difficulty_rows(board) if row["kind"] == "point"]
    assert len(rows) == len(board.points) == 8 * 11 * 3
    row = next(
        r for r in rows if (r["entry"], r["dataset"], r["panel"]) == ("Zero-shot CLIP", "EuroSAT", "Base classes")
    )
    assert (row["value"], row["shown"], row["n"]) == (56.48, "56.48", 1)
    assert "gain" not in row, "the baseline has no gain over itself"
    assert all(len(r["runs"].split()) == r["n"] for r in rows)


def test_lines_below_the_critical_value_say_so(board):
    trend = replace(board.trends[0], rho=-0.2, significant=False, ends=((0.01, 0.5), (0.1, 0.4)))
    row = next(r for r in difficulty_rows(replace(board, trends=(trend,))) if r["kind"] != "point")
    assert row["rho"] == "-0.20 over 11 datasets, not significant"


def test_the_static_picture_follows_the_theme_and_its_ids_are_its_own(board):
    spec = difficulty_chart(board, board.axes[0], "value", _symbols.assign_symbols(board.entries))
    svg = static_svg(spec, difficulty_rows(board), prefix="one")
    assert 'fill="currentColor"' in svg
    assert "Harmonic mean H" in svg
    assert ">0.002<" in svg, "digits are dropped from coordinates, never from labels"
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
