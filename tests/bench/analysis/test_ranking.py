"""Ranges of ranks, pairwise tests and the seeds needed, and how the page shows them."""

from __future__ import annotations

import numpy as np
import pytest
from report_sample import catalogue, difficulty_frame, runs_frame
from worlds import make_world

from bench.analysis.comparison import paired_average, seed_scores
from bench.analysis.leaderboard import Leaderboard, leaderboard, settings
from bench.analysis.ranking import rank_entries
from bench.presenters import site_view
from bench.store import fresh_store


def board_of(frame, index=0) -> Leaderboard:
    return leaderboard(frame, settings(frame)[index])


@pytest.fixture(scope="module")
def found():
    frame = runs_frame(protocols=("base-to-new",))
    return rank_entries(board_of(frame), frame), frame


def test_pairs_are_the_paired_averages_in_both_directions(found):
    order, frame = found
    scores = seed_scores(board_of(frame), frame)
    direct = paired_average(scores["apex"], scores["coop"], "H")
    pair, turned = order.pairs["apex", "coop"], order.pairs["coop", "apex"]
    assert (pair.test.mean, pair.test.low) == (direct.mean, direct.low)
    assert (turned.test.mean, turned.test.low, turned.test.high) == (-direct.mean, -direct.high, -direct.low)
    assert pair.p_holm == turned.p_holm >= direct.p


def test_incomplete_entries_are_not_ranked(found):
    order, _ = found
    assert {held.name for held in order.ranks}.isdisjoint({"maple", "cocoop"})
    assert len(order.pairs) == 6 * 5
    assert set(order.by_dataset.names) == {held.name for held in order.ranks}


def test_win_rates_and_ranks_are_of_the_same_table(found):
    ranks = found[0].by_dataset
    wins = np.array(ranks.wins)
    average = dict(zip(ranks.critical.names, ranks.critical.ranks, strict=True))
    for i, name in enumerate(ranks.names):
        lost = sum(1 - wins[i, j] for j in range(len(ranks.names)) if j != i)
        assert average[name] == pytest.approx(1 + lost)


def test_a_transfer_board_compares_targets_and_not_the_source(tmp_path):
    rates = {"coop": {"imagenet": {"all": 0.9, "dtd": 0.3, "eurosat": 0.3}}}
    rates["apex"] = {"imagenet": {"all": 0.5, "dtd": 0.6, "eurosat": 0.6}}
    make_world(tmp_path, rates, protocol="cross-dataset", targets=("dtd", "eurosat"))
    frame = fresh_store(tmp_path).runs_frame()
    board = board_of(frame)
    order = rank_entries(board, frame)
    assert order.leader == "apex"
    test = order.pairs["apex", "coop"].test
    assert test.groups == 2
    assert test.mean == pytest.approx(
        board.entry("apex").averages["all"].mean - board.entry("coop").averages["all"].mean
    )


def test_the_page_shows_ranges_of_ranks_and_what_is_missing():
    frame = runs_frame(protocols=("few-shot",))
    one_seed = frame[frame["seed"].isin([0, 1])]
    order = site_view(one_seed, difficulty_frame(), catalogue(), package_version="0").boards[0].standings
    assert set(order.ranks.values()) == {"1–8"}
    assert order.tied == tuple(name for name in order.ranks if name != order.leader)
    assert "no difference can be tested" in order.notes[0]
    lone = frame[(frame["method"] == "coop") & (frame["dataset"] == "dtd")]
    order = site_view(lone, difficulty_frame(), catalogue(), package_version="0").boards[0].standings
    assert order.critical is None
    assert "there is no comparison yet" in order.notes[0]
