"""The page of published numbers."""

from __future__ import annotations

import pytest
from report_sample import catalogue

from bench.cli.report import report
from bench.papers.catalogue import registered
from bench.papers.published_numbers import published_difficulty, published_frame
from reports.parts.published import by_method, published_parts
from reports.presenters.site import published_site


@pytest.fixture(scope="module")
def site():
    return published_site(published_frame(), published_difficulty(), catalogue(), package_version="0")


def title(row):
    return catalogue().row_title(row.method, row.label)


@pytest.fixture(scope="module")
def board(site):
    return site.published_boards[0].board


def test_the_largest_board_comes_first_and_none_is_repeated(site, board):
    assert (board.protocol, board.backbone, board.shots) == ("base-to-new", "ViT-B-16.openai", 16)
    assert len(board.datasets) == 11
    settings = [(b.protocol, b.backbone, b.shots) for b in (view.board for view in site.published_boards)]
    assert len(set(settings)) == len(settings) > 15
    assert len({title(row) for row in board.rows}) > 50


def test_a_row_is_one_table_and_its_means_are_those_the_papers_print(board):
    """CoCoOp's table: zero-shot CLIP 69.34, 74.22, H 71.70; APEX's Table 2: 83.99, 76.76."""
    zero = max((row for row in board.rows if title(row) == "Zero-shot CLIP"), key=lambda row: len(row.sources))
    assert [round(100 * zero.averages[m], 2) for m in ("base", "new", "H")] == [69.34, 74.22, 71.70]
    assert len(zero.sources) > 5, "copies are one row"
    apex = next(row for row in board.rows if title(row) == "APEX" and row.complete)
    assert [round(100 * apex.averages[m], 2) for m in ("base", "new")] == [83.99, 76.76]


def test_every_published_method_has_a_title():
    facts = registered()
    assert [name for name in published_frame()["method"].unique() if facts.method(name).title == name] == []


def test_the_table_has_one_row_a_method_and_the_range_of_its_tables(site):
    for view in site.published_boards:
        rows = by_method(view)
        titles = [title(row) for row, _ in rows]
        assert len(set(titles)) == len(titles)
        assert sum(len(tables) for _, tables in rows) == len(view.board.rows)
        assert {row.key for row, _ in rows} >= {row.key for row in view.board.one_per_title}, "those of the map"
        means = [row.averages.get(view.board.measures[-1], -1.0) for row, _ in rows if row.complete]
        assert means == sorted(means, reverse=True)
    parts = published_parts(site.published_boards[0])
    (means,) = (part[4][0][1] for part in parts if part[0] == "fold" and part[1].endswith("-means"))
    (coop,) = (row for row in means["rows"] if "CoOp" in (row[0], row[0][0]))
    assert " to " in coop[4]


def test_rows_short_of_datasets_come_last_with_n_of_n_and_known_errors_stay_with_their_row(board):
    complete = [row.complete for row in board.rows]
    assert complete == sorted(complete, reverse=True)
    assert not all(complete)
    assert all(row.n == len(row.values) < row.expected == 11 for row in board.rows if not row.complete)
    assert any("Likely" in note for row in board.rows for note in row.notes)


def test_the_command_needs_no_runs_and_says_whose_numbers_they_are(tmp_path, capsys):
    report(source="published", out=tmp_path / "site", protocol="few-shot")
    page = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert capsys.readouterr().out.strip() == str(tmp_path / "site" / "index.html")
    assert "measured by this project" in page
    assert "Base-to-new" not in page
