"""What averages are worth: noise with known parts, and equality in practice."""

import numpy as np
import pytest
from scipy import stats as reference
from worlds import make_world

from bench.analysis import equivalence_probability, noise_of
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.analysis.ranking import rank_entries
from bench.analysis.statistics import grouped_t, student_t
from bench.results.database import fresh_store

RATES = {"zero_shot": 0.5, "coop": 0.7, "maple": 0.7, "apex": 0.95}


@pytest.fixture(scope="module")
def board_and_runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    make_world(folder, {m: {d: {"base": r, "new": r} for d in "abc"} for m, r in RATES.items()}, images=300)
    runs = fresh_store(folder).runs_frame(outcomes=True)
    return build_leaderboard(runs, board_settings(runs)[0]), runs


def test_standings_have_the_worth_of_each_difference_from_the_leader(board_and_runs):
    board, runs = board_and_runs
    standings = rank_entries(board, runs)
    assert set(standings.noise) == {"coop", "maple", "zero_shot"}
    for noise in standings.noise.values():
        assert 0 <= noise.seeds <= 1
        assert noise.seeds + noise.images == pytest.approx(1)
        assert noise.more_seeds <= noise.error
        assert noise.datasets_error is not None


def test_equivalence_is_the_mass_of_students_t_inside_the_margin():
    test = grouped_t([[0.01, 0.02, 0.0], [0.0, 0.01, -0.01]])
    inside = reference.t(test.df, test.mean, test.standard_error)
    assert equivalence_probability(test, 0.02) == pytest.approx(inside.cdf(0.02) - inside.cdf(-0.02))
    assert equivalence_probability(grouped_t([[0.5]])) is None


def test_one_more_seed_buys_what_a_design_with_one_more_has():
    """Tables with effects of seed and image: the predicted error is the mean error of designs with a seed more."""
    generator = np.random.default_rng(3)

    def drawn(seeds: int):
        parts = 0.05 * generator.normal(size=(seeds, 1)), 0.5 * generator.normal(size=(1, 400))
        table = parts[0] + parts[1] + 0.3 * generator.normal(size=(seeds, 400))
        return grouped_t([table.mean(1).tolist()], [[table]]), student_t([0.1, 0.2, 0.4])

    predicted = [noise_of(*drawn(6)).more_seeds ** 2 for _ in range(300)]
    actual = [drawn(7)[0].standard_error ** 2 for _ in range(300)]
    assert np.mean(predicted) == pytest.approx(np.mean(actual), rel=0.1)
    noise = noise_of(*drawn(6))
    assert noise.datasets_error == pytest.approx(student_t([0.1, 0.2, 0.4]).std / 3**0.5)
    assert noise_of(grouped_t([[0.1]], [[np.arange(4)[None] % 2]]), student_t([0.1])) is None
