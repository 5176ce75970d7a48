"""One list of columns: every place shows them in the same order, and a new one is one statement."""

from pathlib import Path

import pytest
from page_data import evidence_of
from worlds import make_world

from bench import export_leaderboards, load_results
from bench.analysis import Place, columns
from bench.analysis.columns import Kind, LeaderboardColumn
from reports.site.build import PageRequest, write_page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    rates = {"zero_shot": 0.5, "coop": 0.7, "apex": 0.9}
    make_world(folder, {m: {d: {"base": r, "new": r} for d in "abc"} for m, r in rates.items()}, images=50)
    return folder


def headings(folder: Path, page: Path) -> dict[Place, list[str]]:
    """The headings of the leaderboard in each place."""
    view = write_page(PageRequest(runs=folder, out=page))
    (shown,) = view.boards
    folds = evidence_of(page.read_text(), shown.anchor)["folds"]
    (board,) = (part[1] for part in folds[f"{shown.anchor}-board"] if part[0] == "table")
    return {
        Place.DATA: export_leaderboards(runs=folder).splitlines()[0].split(","),
        Place.TERMINAL: list(load_results(folder).leaderboard().rows[0]),
        Place.TABLE: export_leaderboards("markdown", runs=folder).splitlines()[2].strip("| ").split(" | "),
        Place.PAGE: [title for title, *_ in board["columns"]],
    }


def test_all_places_have_one_order(folder: Path, tmp_path: Path):
    found = headings(folder, tmp_path / "page.html")
    shared = {
        Place.DATA: ["rank", "entry", "H", "base", "new", "n", "trainable_parameters", "own_seconds", "shared_seconds"],
        Place.TERMINAL: ["rank", "method", "H", "base", "new", "runs", "parameters", "training"],
        Place.TABLE: ["method", "H", "base", "new"],
        Place.PAGE: ["Rank", "Method", "H", "Base", "New", "Runs", "Parameters", "Training"],
    }
    for place, titles in shared.items():
        assert [title for title in found[place] if title in titles] == titles


def test_a_new_column_is_one_statement(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    known = columns._costs

    def with_one_more(board):
        yield from known(board)
        yield LeaderboardColumn(Kind.FACT, lambda entry: 3, dict.fromkeys(Place, "Three"))

    monkeypatch.setattr(columns, "_costs", with_one_more)
    for place, titles in headings(folder, tmp_path / "page.html").items():
        assert "Three" in titles, place
    assert [row["Three"] for row in load_results(folder).leaderboard().rows] == [3, 3, 3]
    assert all(row["Three"] == 3 for row in columns.board_rows(load_results(folder).leaderboard().source[0]))
    assert "| 3 |" in export_leaderboards("markdown", runs=folder)
