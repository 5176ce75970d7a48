"""The page of published numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from published_tables import published_values
from report_sample import catalogue

from bench.analysis.dataset_difficulty import RTD, covariates
from bench.analysis.method_choice import predicted_gains
from bench.analysis.statistics.correlation import spearman
from bench.cli.report import report
from bench.papers.catalogue import registered
from bench.papers.published_numbers import published_difficulty, published_frame
from reports.parts.difficulty import prediction_sentence
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


def test_the_page_says_how_well_difficulty_predicts_gains(site):
    """The numbers of the board with new classes, and a conclusion that follows from the computed choice."""
    overview = site.overviews[0]
    keys = [key for key in overview.table.complete_rows("new") if key != overview.table.baseline]
    found = predicted_gains(overview.table.gains("new", keys))
    text = prediction_sentence(overview)
    assert all(f"{100 * value:.2f}" in text for value in (*found.errors, *found.regrets))
    assert f"{len(keys)} methods" in text
    assert ("does not choose" in text) != found.helps
    without = replace(overview, table=replace(overview.table, baseline=None))
    assert prediction_sentence(without) == ""


def test_datasets_without_a_difficulty_are_not_counted_among_those_predicted(site):
    table = site.overviews[0].table
    known = table.difficulty["new"][RTD]
    fewer = {name: known[name] for name in list(known)[1:]}
    less = replace(table, difficulty={**table.difficulty, "new": {**table.difficulty["new"], RTD: fewer}})
    for some, n in ((table, len(known)), (less, len(fewer))):
        assert f"On these {n} datasets" in prediction_sentence(replace(site.overviews[0], table=some))


def test_every_published_method_has_a_title():
    facts = registered()
    assert [name for name in published_frame()["method"].unique() if facts.method(name).title == name] == []


def test_the_table_has_one_row_a_method_and_the_range_of_its_tables(site):
    for view in site.published_boards:
        rows = by_method(view)
        titles = [title(row) for row, _ in rows]
        assert len(set(titles)) == len(titles)
        assert sum(len(tables) for _, tables in rows) == len(view.board.rows)
        means = [row.averages.get(view.board.measures[-1], -1.0) for row, _ in rows if row.complete]
        assert means == sorted(means, reverse=True)
    parts = published_parts(site.published_boards[0])
    (means,) = (part[4][0][1] for part in parts if part[0] == "fold" and part[1].endswith("-means"))
    (coop,) = (row for row in means["rows"] if "CoOp" in (row[0], row[0][0]))
    assert " to " in coop[4]


def test_rows_short_of_datasets_come_last_and_carry_n_of_n(board):
    complete = [row.complete for row in board.rows]
    assert complete == sorted(complete, reverse=True)
    assert not all(complete)
    assert all(row.n == len(row.values) < row.expected == 11 for row in board.rows if not row.complete)


def test_known_errors_stay_with_their_row(board):
    assert any("Likely" in note for row in board.rows for note in row.notes)


def test_contrasts_are_within_one_table_and_copies_are_left_out(site, board):
    numbers = {source.number: source for source in site.sources}
    contrasts = next(trends for trends in board.trends if trends.measure == "base").contrasts
    rows = {row.key: row for row in board.rows}
    firsts = [(contrast.trends[0], rows[contrast.trends[0].method]) for contrast in contrasts]
    vpt = [(c, row) for c, row in firsts if (row.method, rows[c.without].method) == ("vpt", "coop")]
    dept = next(c for c, row in vpt if "DePT" in numbers[row.sources[0]].reported_in)
    values = published_values("DePT", split="base")
    table = values.pivot(index="dataset", columns="method", values="value")
    difference = (table["vpt"] - table["coop"]).dropna()
    along = covariates(published_difficulty().query("backbone == 'ViT-B-16.openai'"))["relative_transfer_difficulty"]
    wanted = spearman([along[d] for d in difference.index], difference.to_list())
    assert dept.found.rho == pytest.approx(wanted.rho) == pytest.approx(0.83, abs=0.01)
    means = [(c.part, row.method, rows[c.without].method, round(c.mean, 6)) for c, row in firsts]
    assert len(set(means)) == len(means)


def test_the_command_needs_no_runs_and_says_whose_numbers_they_are(tmp_path, capsys):
    report(source="published", out=tmp_path / "site", protocol="few-shot")
    page = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert capsys.readouterr().out.strip() == str(tmp_path / "site" / "index.html")
    assert "measured by this project" in page
    assert "Base-to-new" not in page
