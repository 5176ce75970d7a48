"""Every place shows the columns of a leaderboard in the same order."""

from pathlib import Path

import pytest
from page_data import evidence_of
from worlds import make_world

from bench import export_leaderboards, load_results
from reports.site.build import PageRequest, write_page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    rates = {"zero_shot": 0.5, "coop": 0.7, "apex": 0.9}
    make_world(folder, {m: {d: {"base": r, "new": r} for d in "abc"} for m, r in rates.items()}, images=50)
    return folder


def test_all_places_have_one_order(folder: Path, tmp_path: Path):
    page = tmp_path / "page.html"
    (shown,) = write_page(PageRequest(runs=folder, out=page)).boards
    folds = evidence_of(page.read_text(), shown.anchor)["folds"]
    (board,) = (part[1] for part in folds[f"{shown.anchor}-board"] if part[0] == "table")
    costs = ["parameters", "training", "shared features"]
    values = ["entry", "rank", "H", "base", "new", "n", "trainable_parameters", "own_seconds", "shared_seconds"]
    (table,) = load_results(folder).leaderboard()
    markdown = export_leaderboards("markdown", runs=folder).splitlines()[2].strip("| ").split(" | ")
    csv = export_leaderboards(runs=folder).splitlines()[0].split(",")
    assert list(table.texts()[0]) == ["rank", "method", "H", "base", "new", "open", "runs", *costs]
    assert markdown == ["rank", "method", "H", "base", "new", "runs"]
    assert [name for name in csv if name in values] == values
    assert [name for name in table.to_frame() if name in values] == values
    drawn = [title.lower() for title, *_ in board["columns"]]
    assert [title for title in drawn if title in ("rank", "method", "h", "base", "new", "runs", *costs)] == [
        "rank", "method", "h", "base", "new", "runs", *costs
    ]  # fmt: skip
