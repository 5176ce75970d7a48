"""A dataset that the backbone has seen is marked on the page, and the answer without it is one sentence and a table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from page_data import block_of, evidence_of
from report_sample import BACKBONE, catalogue, difficulty_frame, runs_frame

pytest.importorskip("websocket", reason="websocket-client is not installed")
from shown_pages import choose

from bench.papers.catalogue import DatasetFacts
from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import site_view
from reports.sentences import answer_lines, caveats, without_seen

SEEN = "country211"
SENTENCE = "Without Country211, which the backbone has partly seen in pretraining, APEX has the highest mean H: "


def content(winner: str = "coop", backbone: str = BACKBONE) -> PageContent:
    """DTD under the name of Country211, on which one method is 60 points better than it was."""
    runs = runs_frame(protocols=("base-to-new",))
    runs = runs[runs["dataset"].isin(["dtd", "eurosat", "ucf101", "food101"])]
    runs = runs.assign(dataset=runs["dataset"].replace("dtd", SEEN), backbone=backbone)
    there = (runs["dataset"] == SEEN) & (runs["method"] == winner)
    runs.loc[there, "accuracy"] = (runs.loc[there, "accuracy"] + 0.6).clip(upper=0.99)
    difficulty = difficulty_frame().assign(backbone=backbone)
    difficulty["dataset"] = difficulty["dataset"].replace("dtd", SEEN)
    facts = catalogue()
    facts = replace(facts, datasets={**facts.datasets, SEEN: DatasetFacts(SEEN, "Country211")})
    return PageContent(runs, difficulty, facts, package_version="0")


@pytest.fixture(scope="module")
def view():
    return site_view(content())


def test_the_sentence_and_the_table_are_those_of_one_comparison(view, tmp_path):
    (overview,), (board,) = view.overviews, view.boards
    found = overview.without_seen["H"]
    by_key = {one.key: one for one in found.methods}
    text = without_seen(overview, found)
    assert text.startswith(SENTENCE)
    expected = [f"{100 * by_key[key].average_without:.1f} %" for key in ("apex", "coop")]
    assert text.endswith(f"{expected[0]}, CoOp {expected[1]}.")
    assert text in caveats(overview, "H").striptags().replace("\xa0", " ")
    assert SENTENCE in answer_lines(overview)[3]
    page = render_site(view, tmp_path / "a.html").read_text("utf-8")
    (table,) = (part[1] for part in evidence_of(page, board.anchor)["folds"][f"{board.anchor}-seen"])
    keys = [entry.key for entry in board.board.entries]
    rows = {keys[row[0]]: row[1:] for row in table["rows"]}
    assert rows == {
        one.key: [str(one.rank), str(one.rank_without), f"{100 * one.average:.2f}", f"{100 * one.average_without:.2f}"]
        for one in found.moved
    }
    assert "Country211 (21.5 % seen)" in table["caption"]


def test_the_mark_is_at_the_dataset_and_nowhere_else(view, tmp_path):
    page = render_site(view, tmp_path / "a.html").read_text("utf-8")
    (setting,) = block_of(page)["settings"].values()
    marks = {dataset["name"]: dataset["seen"] for dataset in setting["datasets"] if "seen" in dataset}
    assert marks.keys() == {SEEN}
    assert marks[SEEN][0] == "21.5 % seen"
    assert "Radford et al." in marks[SEEN][1]
    assert ">Country<wbr>211</span><small>21.5\u00a0% seen</small>" in page


@pytest.mark.parametrize("backbone", ["ViT-tiny.random", "ViT-B-32.laion2b_s34b_b79k"])
def test_without_a_published_overlap_nothing_is_marked_or_compared(backbone, tmp_path):
    view = site_view(content(backbone=backbone))
    assert view.overviews[0].without_seen == {}
    page = render_site(view, tmp_path / "a.html").read_text("utf-8")
    assert "% seen" not in page
    assert not any(key.endswith("-seen") for key in evidence_of(page, view.boards[0].anchor)["folds"])


def test_where_the_leader_stays_the_first_screen_says_nothing():
    view = site_view(content(winner="apex"))
    (overview,) = view.overviews
    found = overview.without_seen["H"]
    assert not found.new_leader
    assert "which the backbone has partly seen" not in caveats(overview, "H")
    same = replace(found, methods=tuple(replace(one, rank_without=one.rank) for one in found.methods))
    assert without_seen(overview, same) == ""
    moved = replace(found, methods=tuple(replace(m, rank_without=m.rank + (m.rank > 1)) for m in found.methods))
    n = len(found.methods)
    assert without_seen(overview, moved).endswith(
        f"the same method is first, and {n - 1} of {n} methods have other ranks."
    )


def test_an_unknown_share_is_a_mark_without_a_number(tmp_path):
    page = render_site(site_view(content(backbone="RN50.yfcc15m")), tmp_path / "a.html").read_text("utf-8")
    assert ">Country<wbr>211</span><small>seen</small>" in page


def test_scripts_draw_the_same_marks_and_the_page_of_the_dataset_has_one(page, view):
    assert SENTENCE in page.run("document.body.innerText").replace("\xa0", " ")
    heads = "[...document.querySelectorAll('.wide-map th.name')]"
    head = f"{heads}.find((th) => /Country211/.test(th.innerText))"
    assert "Country211 21.5 % seen" in " ".join(page.run(f"{head}.innerText").split())
    assert "Radford et al." in page.run(f"{head}.title")
    choose(page, "#choose-measure", "base classes")
    again = " ".join(page.run(f"{head}.innerText").split())
    assert "Country211 21.5 % seen" in again, "rendered again"
    page.run(f"location.hash = '#dataset={SEEN}'")
    page.wait("!document.getElementById('page').hidden")
    shown = page.run("document.getElementById('page').innerText").replace("\xa0", " ")
    assert "pretraining data: 21.5 % seen" in shown
    assert "Overlap with pretraining" in shown
    assert not [event for event in page.events if event["method"] == "Runtime.exceptionThrown"]
