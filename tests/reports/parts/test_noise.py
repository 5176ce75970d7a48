"""The numbers below a leaderboard are those of the analysis."""

from pathlib import Path

import pytest
from worlds import make_world

from reports.parts.noise import noise_parts
from reports.site.build import PageRequest, write_page


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("page")
    rates = {"zero_shot": 0.5, "coop": 0.7, "apex": 0.9}
    make_world(folder / "runs", {m: {d: {"base": r, "new": r} for d in "abc"} for m, r in rates.items()}, images=100)
    return write_page(PageRequest(runs=folder / "runs", out=folder / "page.html")).boards[0]


def test_the_table_has_the_numbers_of_the_analysis(view):
    ((_, table),) = noise_parts(view)
    assert len(table["rows"]) == len(view.board.entries) - 1 == 2
    for entry, (_, *errors) in zip(view.board.entries[1:], table["rows"], strict=True):
        noise = view.standings.noise.get(entry.key)
        assert errors[0] == round(10_000 * noise.error)
        assert errors[2] <= errors[0], "one more seed"
    assert table["caption"].endswith("errors over datasets 13 % smaller.")
