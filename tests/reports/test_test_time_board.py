"""The board of the test-time protocol: what methods learn from, and the time that this takes."""

from dataclasses import replace

import pytest
from page_data import block_of, evidence_of
from report_sample import catalogue, difficulty_frame, runs_frame

from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import site_view


@pytest.fixture(scope="module")
def site():
    runs = runs_frame(protocols=("few-shot",))
    runs = runs[runs["method"].isin(["zero_shot", "coop", "vpt"])].assign(
        protocol="test-time", shots=0, steps=0, prepare_seconds=1.0, train_seconds=0.0, eval_seconds=30.0
    )
    runs["method"] = runs["method"].replace({"coop": "tda", "vpt": "tpt"})
    facts = catalogue()
    sheet = replace(facts.methods["coop"], family="test-time")
    sheets = {name: replace(sheet, name=name, title=name.upper()) for name in ("tda", "tpt")}
    facts = replace(facts, methods={**facts.methods, **sheets})
    return site_view(PageContent(runs, difficulty_frame(), facts, package_version="0"))


def test_the_board_says_what_methods_learn_from_and_counts_evaluation(site, tmp_path):
    page = render_site(site, tmp_path / "index.html").read_text("utf-8")
    (setting,) = block_of(page)["settings"].values()
    parts = setting["sections"]["leaderboard"]
    (facts,) = (part[1] for part in parts if part[0] == "p" and "3 methods" in part[1])
    assert "methods learn from the test images" in facts
    assert "training images" not in facts
    fold = next(part[1] for part in setting["sections"]["cost"] if part[0] == "fold")
    table = next(part[1] for part in evidence_of(page, setting["anchor"])["folds"][fold] if part[0] == "table")
    assert "Preparation and evaluation time, s" in [column[0] for column in table["columns"]]
    assert {row[2][0] for row in table["rows"]} == {"31"}


def test_the_setting_is_called_test_time_adaptation_and_a_method_costs_its_time_of_evaluation(site):
    (board,), (view,) = site.boards, site.overviews
    assert (board.heading, view.setting) == ("Test-time adaptation", "test-time adaptation")
    assert {point.costs["test_seconds"] for point in board.costs} == {31.0}
    assert not any("train_seconds" in point.costs for point in board.costs)
