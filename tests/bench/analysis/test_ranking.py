"""Ranges of ranks and pairwise tests, and how the page shows them."""

from __future__ import annotations

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame
from worlds import make_world

from bench.analysis.leaderboard import Leaderboard
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.paired_average import board_average, paired_test
from bench.analysis.ranking import rank_entries
from bench.analysis.scores_by_seed import seed_scores
from bench.results.database import fresh_store
from reports.presenters.content import PageContent
from reports.presenters.site import site_view


def board_of(frame, index=0) -> Leaderboard:
    return build_leaderboard(frame, board_settings(frame)[index])


@pytest.fixture(scope="module")
def found():
    frame = runs_frame(protocols=("base-to-new",))
    return rank_entries(board_of(frame), frame), frame


def test_pairs_are_the_paired_averages_in_both_directions(found):
    order, frame = found
    scores = seed_scores(board_of(frame), frame)
    direct = paired_test(scores["apex"], scores["coop"], "H", sorted(scores["apex"]))
    pair, turned = order.pairs["apex", "coop"], order.pairs["coop", "apex"]
    assert (pair.mean, pair.low) == (direct.mean, direct.low)
    assert (turned.mean, turned.low, turned.high) == (-direct.mean, -direct.high, -direct.low)
    assert pair.p == turned.p >= direct.p


def test_incomplete_entries_are_not_ranked(found):
    order, _ = found
    assert set(order.ranks).isdisjoint({"maple", "cocoop"})
    assert len(order.pairs) == 6 * 5


def test_a_transfer_board_compares_targets_and_not_the_source(tmp_path):
    rates = {"coop": {"imagenet": {"all": 0.9, "dtd": 0.3, "eurosat": 0.3}}}
    rates["apex"] = {"imagenet": {"all": 0.5, "dtd": 0.6, "eurosat": 0.6}}
    make_world(tmp_path, rates, protocol="cross-dataset", targets=("dtd", "eurosat"))
    frame = fresh_store(tmp_path).runs_frame()
    board = board_of(frame)
    order = rank_entries(board, frame)
    assert order.leader == "apex"
    assert board_average(board, seed_scores(board, frame), "apex", "coop", "all").groups == 2
    assert order.pairs["apex", "coop"].mean == pytest.approx(
        board.entry("apex").averages["all"].mean - board.entry("coop").averages["all"].mean
    )


def test_the_page_shows_ranges_of_ranks_and_what_is_missing():
    frame = runs_frame(protocols=("few-shot",))
    one_seed = frame[frame["seed"].isin([0, 1])]
    order = site_view(PageContent(one_seed, difficulty_frame(), catalogue(), package_version="0")).boards[0].standings
    assert set(order.ranks.values()) == {"1–8"}
    assert order.tied == tuple(name for name in order.ranks if name != order.leader)
    assert "difference can be tested" in order.notes[0]
    lone = frame[(frame["method"] == "coop") & (frame["dataset"] == "dtd")]
    order = site_view(PageContent(lone, difficulty_frame(), catalogue(), package_version="0")).boards[0].standings
    assert "no comparison yet" in order.notes[0]
    assert not any("tested" in note for note in order.notes), "no differences"
