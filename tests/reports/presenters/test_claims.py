"""Claims and published numbers on the page are those of the pure functions."""

from __future__ import annotations

import pytest
from page_data import block_of, drawn_of
from report_sample import difficulty_frame, runs_frame, sample_site

from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.papers.claims import Claim, check_claims, difficulty_by_backbone
from bench.papers.published_numbers import published_frame
from bench.papers.reproduction import compare_with_published
from reports import render_site


def claim(name, sentence, a, b, **more):
    return Claim(
        id=name, sentence=sentence, source="s", a=a, b=b, **({"protocol": "base-to-new", "measure": "H"} | more)
    )


CLAIMS = [
    claim("ahead", "APEX is ahead of CoOp.", "apex", "coop"),
    claim("behind", "CoOp is ahead of APEX.", "coop", "apex"),
    claim("absent", "<b>PLOT</b> is ahead.", "plot", "coop", protocol="few-shot", measure="all"),
]


@pytest.fixture(scope="module")
def frame():
    return runs_frame(protocols=("base-to-new",))


@pytest.fixture(scope="module")
def site(frame):
    return sample_site(frame, claims=CLAIMS, published=published_frame())


@pytest.fixture(scope="module")
def page(site, tmp_path_factory):
    return render_site(site, tmp_path_factory.mktemp("site") / "a.html").read_text("utf-8")


def test_every_claim_is_there_with_effect_interval_and_n(site, frame, page):
    assert [result.verdict for result in site.claims] == ["supported", "not supported here", "not tested"]
    boards = [build_leaderboard(frame, setting) for setting in board_settings(frame)]
    wanted = check_claims(CLAIMS, boards, difficulty_by_backbone(difficulty_frame()))[0]
    found = site.claims[0].test
    assert found == wanted.test
    assert (found.n, found.groups) == (33, 11)
    assert site.claims[2].reason.startswith("needs few-shot runs of")
    assert "<b>1</b> supported, <b>1</b> not supported here, <b>0</b>" in page
    assert "&lt;b&gt;PLOT&lt;/b&gt;" in page


def test_published_rows_are_those_of_the_ledger_with_their_errors_largest_gap_first(site, frame, page):
    boards = [build_leaderboard(frame, setting) for setting in board_settings(frame)]
    rows = compare_with_published(boards, published_frame())
    shown = [row for row in site.reproduction if row.measure == "accuracy"]
    assert [(row.published, row.difference) for row in shown] == [(r.published, r.difference) for r in rows]
    gaps = [abs(row.difference) for row in shown]
    assert gaps == sorted(gaps, reverse=True)
    assert len(shown) == len(rows) > 100
    assert {row.measure for row in site.reproduction[len(rows) :]} >= {"relative_transfer_difficulty"}
    parts = block_of(page)["sections"]["published"]
    table = next(part[1] for fold in parts if fold[0] == "fold" for part in fold[4] if part[0] == "table")
    assert table["filters"] == [row.verdict for row in shown]
    assert [row[2] for row in table["rows"]] == [f"{100 * row.published:.2f}" for row in shown]
    noted = [row for row in site.reproduction if "Likely" in row.note]
    assert noted
    assert noted[0].note[:20] in drawn_of(page)


def test_runs_without_a_published_counterpart_say_so(frame, tmp_path):
    other = frame.assign(backbone="ViT-demo.drawn")
    site = sample_site(other, published=published_frame())
    assert site.reproduction == ()
    assert ("coop", "coop") in site.unmatched
    page = render_site(site, tmp_path / "a.html").read_text("utf-8")
    assert "published number matches these" in drawn_of(page)
