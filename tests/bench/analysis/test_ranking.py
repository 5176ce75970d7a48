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
from bench.statistics import detectable_difference, grouped_power, grouped_seeds_needed, grouped_t
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


def test_the_power_of_the_grouped_test_equals_its_simulation():
    draw = np.random.default_rng(4)
    groups, seeds, effect, spread = 6, 3, 0.012, 0.02
    planned = grouped_t(_with_spread(groups, seeds, spread))
    tests = [grouped_t(draw.normal(effect, spread, (groups, seeds)).tolist()) for _ in range(4000)]
    assert np.mean([test.p <= 0.05 and test.mean > 0 for test in tests]) == pytest.approx(
        grouped_power(planned, effect), abs=0.07
    ), "a sample's own degrees of freedom are fewer than the plan's, so that the plan is some points too high"


def test_detectable_effect_and_seeds_are_the_inverse_of_power():
    test = grouped_t(_with_spread(5, 3, 0.02, mean=0.008))
    assert grouped_power(test, detectable_difference(test)) == pytest.approx(0.8)
    seeds = grouped_seeds_needed(test)
    assert grouped_power(test, test.mean, seeds / 3) >= 0.8 > grouped_power(test, test.mean, (seeds - 1) / 3)
    assert grouped_seeds_needed(grouped_t([[0.1], [0.2]])) is None
    assert detectable_difference(grouped_t([[0.1, 0.1], [0.2, 0.2]])) == 0.0


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


def _with_spread(groups, seeds, spread, mean=0.0):
    """Groups whose sample standard deviation is exactly that."""
    offsets = np.linspace(-1, 1, seeds)
    return [(mean + spread * offsets / offsets.std(ddof=1)).tolist() for _ in range(groups)]
