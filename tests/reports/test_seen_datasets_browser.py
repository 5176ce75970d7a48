"""A dataset that the backbone has seen is marked on the page."""

from __future__ import annotations

from dataclasses import replace

import pytest
from page_data import block_of
from report_sample import BACKBONE, catalogue, difficulty_frame, runs_frame

pytest.importorskip("websocket", reason="websocket-client is not installed")
from shown_pages import choose

from bench.papers.catalogue import DatasetFacts
from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import site_view

SEEN = "country211"


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


def test_the_mark_is_at_the_dataset_and_nowhere_else(view, tmp_path):
    page = render_site(view, tmp_path / "a.html").read_text("utf-8")
    (setting,) = block_of(page)["settings"].values()
    marks = {dataset["name"]: dataset["seen"] for dataset in setting["datasets"] if "seen" in dataset}
    assert marks.keys() == {SEEN}
    assert marks[SEEN][0] == "21.5 % seen"
    assert "Radford et al." in marks[SEEN][1]
    assert ">Country<wbr>211</span><small>21.5\u00a0% seen</small>" in page


@pytest.mark.parametrize("backbone", ["ViT-tiny.random", "ViT-B-32.laion2b_s34b_b79k"])
def test_without_a_published_overlap_nothing_is_marked(backbone, tmp_path):
    view = site_view(content(backbone=backbone))
    page = render_site(view, tmp_path / "a.html").read_text("utf-8")
    assert "% seen" not in page


def test_an_unknown_share_is_a_mark_without_a_number(tmp_path):
    page = render_site(site_view(content(backbone="RN50.yfcc15m")), tmp_path / "a.html").read_text("utf-8")
    assert ">Country<wbr>211</span><small>seen</small>" in page


def test_scripts_draw_the_same_marks_and_the_page_of_the_dataset_has_one(page, view):
    heads = "[...document.querySelectorAll('.map th.name')]"
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
