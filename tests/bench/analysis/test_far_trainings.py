"""Failed trainings are named, and ordinary noise is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulated_boards import MEASURE, SimulatedBoard, drawn_leaderboard

from bench.analysis.measures import BASELINE
from bench.analysis.verdict import board_verdict

EQUAL = np.array([[0.45, 0.55, 0.65, 0.75]] * 4)
"""True accuracies of zero-shot and three methods on four datasets."""


def named(draw, simulated, failing=0.0):
    board = drawn_leaderboard(simulated, draw, failing=failing)
    return board.array, board_verdict(board, MEASURE).far_trainings


@pytest.mark.parametrize(
    ("seeds", "spread", "images"),
    [(2, 0.01, [100, 200, 300, 400]), (3, 0.03, [28, 100, 300, 600])],
)
def test_ordinary_noise_names_a_training_on_at_most_one_board_in_a_hundred(seeds, spread, images):
    draw, repetitions = np.random.default_rng(seeds), 50
    simulated = SimulatedBoard(EQUAL, images, seeds, spread)
    false = sum(bool(named(draw, simulated)[1]) for _ in range(repetitions))
    assert false <= stats.binom.ppf(0.999, repetitions, 0.01)


def test_half_of_the_trainings_that_fail_badly_are_named_with_how_far_they_fell():
    draw, failed, found = np.random.default_rng(1), 0, 0
    for _ in range(25):
        array, far = named(draw, SimulatedBoard(EQUAL, [400] * 4), failing=0.125)
        below = {
            (key, name, seed): max(runs.values()) - value
            for key in array.keys if key != BASELINE
            for name in array.datasets
            for runs in [array.by_seed(key, name, MEASURE)]
            for seed, value in runs.items()
        }  # fmt: skip
        assert {(one.entry, one.dataset, one.seed): one.below for one in far}.items() <= below.items()
        assert [one.below for one in far] == sorted((one.below for one in far), reverse=True)
        failed += sum(gap > 0.13 for gap in below.values())
        found += len(far)
    assert 0.5 * failed <= found <= failed


def test_without_other_trainings_nothing_is_usual():
    simulated = SimulatedBoard(EQUAL[:2, :1], [400])
    assert not any(named(np.random.default_rng(seed), simulated, failing=0.5)[1] for seed in range(10))
