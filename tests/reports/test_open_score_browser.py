"""The open score on the page: a score of the first screen and a column of the leaderboard, empty where not computed."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

pytest.importorskip("websocket", reason="websocket-client is not installed")
from shown_pages import choose, open_leaderboard

from reports.presenters.content import PageContent
from reports.presenters.site import site_view

WITHOUT = "vpt"
LONG_TITLE = "Text prompts + visual adapter"
CELLS = """[...document.querySelectorAll({!r})].map((row) =>
    [...row.children].map((cell) => cell.innerText.split('\\n')))"""


def with_open_scores(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with an accuracy among all names on base and new images, but for one method."""
    opened = runs[runs["split"].isin(["base", "new"]) & (runs["method"] != WITHOUT)].copy()
    opened["accuracy"] *= opened["split"].map({"base": 0.95, "new": 0.85})
    opened["split"] = "open-" + opened["split"]
    opened["ece"] = 0.1
    return pd.concat([runs, opened], ignore_index=True)


@pytest.fixture(scope="module")
def view():
    runs = with_open_scores(runs_frame(protocols=("base-to-new",), shots=(16,)))
    facts = catalogue()
    longest = replace(facts.methods["apex"], title=LONG_TITLE)
    facts = replace(facts, methods={**facts.methods, "apex": longest})
    return site_view(PageContent(runs, difficulty_frame(), facts, package_version="0"))


def test_it_is_a_score_of_the_first_screen_and_of_the_map(page, view):
    (board,) = view.boards
    assert board.board.measures == ("base", "new", "open", "H")
    choose(page, "#choose-measure", "open score (H among all names)")
    assert "score=open" in page.run("location.hash")
    assert "Open score, %" in page.texts(".map .heads .sort")
    for method, mean in page.run(
        CELLS.format(".map tr[data-m]").replace("row.children", "row.querySelectorAll('th, .score')")
    ):
        entry = next(e for e in board.board.entries if method[0].startswith(board.catalogue.method(e.method).title))
        average = board.board.average(entry.key, "open")
        assert mean == (["–"] if entry.key == WITHOUT else [f"{100 * average.mean:.2f}"])


def test_it_is_a_column_of_the_leaderboard(page, view):
    (board,) = view.boards
    open_leaderboard(page)
    head = page.run(CELLS.format("table.board thead tr"))[0]
    place = next(number for number, cell in enumerate(head) if cell[0] == "Open")
    shown = {row[1][0]: row[place][0] for row in page.run(CELLS.format("table.board tbody tr"))}
    assert {name: text for name, text in shown.items() if text in ("", "–")}.keys() == {"VPT"}
    apex = board.board.entries[0]
    mean = board.board.average(apex.key, "open").mean
    assert shown[LONG_TITLE].startswith(f"{100 * mean:.2f}")


def test_no_error_is_logged(page):
    choose(page, "#choose-measure", "open score (H among all names)")
    assert not [event for event in page.events if event["method"] == "Runtime.exceptionThrown"]


def test_the_leaderboard_fits_with_all_columns(page):
    """With gains by difficulty, the scores of all splits and a long name, nothing scrolls sideways at 1,200 px."""
    page.size(1200, 900)
    open_leaderboard(page)
    head = [cell[0] for cell in page.run(CELLS.format("table.board thead tr"))[0]]
    assert {"Gain, easy", "Gain, hard", "Open"} <= {" ".join(text.split()) for text in head}
    place = "document.querySelector('table.board').parentElement"
    page.wait(f"{place}.classList.contains('fits')")
    assert LONG_TITLE in page.run(f"{place}.innerText").replace("\n", " ")
    assert page.run(f"{place}.scrollWidth <= {place}.clientWidth")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
