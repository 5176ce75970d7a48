"""The advice: its gain is true of new datasets, and it contradicts no other number of the answer."""

from __future__ import annotations

import numpy as np
import pytest
from one_case import for_each
from small_noise import array_of

from bench.analysis.best_method import WORTHWHILE, answer_for
from bench.analysis.dataset_difficulty import RTD
from bench.analysis.score_table import Candidate, ScoreTable


def answer_of(gains, places, zero=0.5, seconds=None):
    """The answer for methods with such gains over zero-shot, fractions `(methods, datasets)`."""
    keys, names = ([f"{kind}{i:02d}" for i in range(size)] for kind, size in zip("md", gains.shape, strict=True))
    rows = {"zero_shot": np.zeros(len(names)) + zero} | {k: zero + row for k, row in zip(keys, gains, strict=True)}
    averages = {key: float(row.mean()) for key, row in rows.items()}
    order = sorted(rows, key=lambda key: -averages[key])
    table = ScoreTable(
        measures=("all",),
        methods=tuple(Candidate(key, True, key != "zero_shot", 1, seconds) for key in order),
        array=array_of({key: rows[key] for key in order}, names),
        baseline="zero_shot",
        averages={"all": averages},
        difficulty={"all": {RTD: dict(zip(names, np.exp(places).tolist(), strict=True))}},
        zero_shot={name: {"all": 0.5} for name in names},
    )
    return answer_for(table, "all")


WORLDS = {  # methods, spread of mean gains, of slopes along difficulty, and of what no method repeats; in points
    "crossing gains": (30, 1.0, 4.0, 3.0),
    "gains that cross little": (30, 2.0, 2.0, 2.5),
    "other means": (12, 2.0, 0.0, 3.0),
    "no gains": (30, 0.0, 0.0, 2.5),
    "no gains, few methods": (5, 0.0, 0.0, 2.5),
}
PLACES = np.linspace(-1.5, 1.5, 11)
REPEATS = 30


@pytest.mark.parametrize("world", WORLDS)
def test_the_gain_is_true_on_average(world):
    """The truth is the expected gain of the advised method on new datasets of the same difficulties.

    A method is advised where its gain is above half a point, so gains that are shown are a little too large.
    """
    methods, spread, slope, noise = WORLDS[world]
    rng, errors = np.random.default_rng(1), []
    for _ in range(REPEATS):
        means, slopes = spread * rng.normal(size=methods), slope * rng.normal(size=methods)
        gains = means[:, None] + slopes[:, None] * PLACES + noise * rng.normal(size=(methods, 11))
        pick = answer_of(gains / 100, PLACES).advice
        if pick.method != "zero_shot":
            method = int(pick.method[1:])
            errors.append(100 * pick.gain - means[method] - slopes[method] * PLACES.mean())
        elif slope == spread == 0:
            errors.append(100 * pick.gain)
    assert abs(np.mean(errors)) <= 0.75


@for_each("seed", range(60))
def test_it_is_never_a_loss_or_more_than_the_leader_gains(seed):
    rng = np.random.default_rng(seed)
    methods, datasets = rng.integers(2, 8), rng.integers(2, 13)
    gains = rng.normal(0, 0.05, (methods, datasets)) + rng.normal(0, 0.05) * rng.random((methods, 1))
    found = answer_of(
        gains + rng.normal(0, 0.1, (methods, 1)) * np.linspace(-1, 1, datasets), rng.normal(size=datasets)
    )
    pick = found.advice
    assert (pick.method == "zero_shot") == (pick.gain < WORTHWHILE)
    assert 0 <= pick.below <= pick.n == datasets
    assert pick.gain >= 0 or pick.below > 0
    assert pick.method in ("zero_shot", found.leader)
    assert found.leader != "zero_shot" or pick.gain <= 0
    assert found.leader == "zero_shot" or pick.gain <= found.lead.mean + 1e-9


def test_it_is_of_the_datasets_that_did_not_pick_the_method():
    """Each method has one lucky dataset: the gain of the best is luck, and on every other dataset it loses."""
    gains = np.where(np.eye(5, dtype=bool), 0.3 + 0.01 * np.arange(5), -0.01)
    found = answer_of(gains, np.arange(5.0))
    pick = found.advice
    assert found.lead.mean > 0.05
    assert (pick.method, pick.gain, pick.below) == ("zero_shot", pytest.approx(-0.01), 5)


def test_one_dataset_or_one_method_gives_no_advice():
    assert answer_of(np.full((3, 1), 0.1), [0.0]).advice is None
    assert answer_of(np.full((1, 8), 0.1), np.arange(8.0)).advice is None
    assert answer_of(np.full((2, 2), 0.1), np.arange(2.0)).advice is not None
