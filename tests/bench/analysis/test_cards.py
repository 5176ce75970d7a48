"""Cards: the gain that they show is true of new datasets, and none contradicts another number of the answer."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from one_case import for_each

from bench.analysis.best_method import WORTHWHILE, answer_for
from bench.analysis.dataset_difficulty import RTD
from bench.analysis.method_choice import Policy
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
        datasets=tuple(names),
        baseline="zero_shot",
        scores={(k, n): {"all": (float(v),)} for k, row in rows.items() for n, v in zip(names, row, strict=True)},
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
REPEATS = 60


@cache
def simulated(world):
    """Of each simulated answer: whether difficulty decides, and what its cards show less what is true, in points.

    The truth is the expected gain of the advised method on new datasets of the same difficulties.
    """
    methods, spread, slope, noise = WORLDS[world]
    rng, found = np.random.default_rng(1), []
    for _ in range(REPEATS):
        means, slopes = spread * rng.normal(size=methods), slope * rng.normal(size=methods)
        gains = means[:, None] + slopes[:, None] * PLACES + noise * rng.normal(size=(methods, 11))
        advice = answer_of(gains / 100, PLACES).advice["any"]
        errors = []
        for card in advice.cards:
            if card.method != "zero_shot":
                method, places = int(card.method[1:]), PLACES[[int(name[1:]) for name in card.datasets]]
                errors.append(100 * card.gain - means[method] - slopes[method] * places.mean())
            elif slope == spread == 0:
                errors.append(100 * card.gain)
        found.append((advice.choice.policy is Policy.NEAREST, np.mean(errors or [0])))
    return np.array(found)


@pytest.mark.parametrize("world", WORLDS)
def test_the_gain_of_a_card_is_true_on_average(world):
    assert abs(simulated(world)[:, 1].mean()) <= 0.5


def test_difficulty_decides_in_few_worlds_without_structure():
    used = [simulated(world)[:, 0].mean() for world in ("other means", "no gains", "no gains, few methods")]
    assert np.mean(used) <= 0.18
    assert simulated("crossing gains")[:, 0].mean() > 0.6


@for_each("seed", range(60))
def test_cards_never_advise_a_loss_or_more_than_the_leader_gains(seed):
    rng = np.random.default_rng(seed)
    methods, datasets = rng.integers(2, 8), rng.integers(2, 13)
    gains = rng.normal(0, 0.05, (methods, datasets)) + rng.normal(0, 0.05) * rng.random((methods, 1))
    found = answer_of(
        gains + rng.normal(0, 0.1, (methods, 1)) * np.linspace(-1, 1, datasets), rng.normal(size=datasets)
    )
    advice = found.advice["any"]
    assert [card.kind for card in advice.cards] in (["overall"], ["easy", "medium", "hard"])
    assert len(advice.alike) == len(advice.bounds) + 1
    for card in (*advice.cards, *advice.alike):
        assert (card.method == "zero_shot") == (card.gain < WORTHWHILE)
        assert 0 <= card.below <= len(card.datasets)
        assert card.gain >= 0 or card.below > 0
    if advice.choice.policy is Policy.AVERAGE:
        (card,) = advice.cards
        assert card == advice.alike[0]
        assert card.method in ("zero_shot", found.leader)
        assert found.leader != "zero_shot" or card.gain <= 0
        assert found.leader == "zero_shot" or card.gain <= found.lead.mean + 1e-9
    else:
        assert sum(len(card.datasets) for card in advice.cards) == datasets


def test_the_card_is_of_the_datasets_that_did_not_pick_the_method():
    """Each method has one lucky dataset: the gain of the best is luck, and on every other dataset it loses."""
    gains = np.where(np.eye(5, dtype=bool), 0.3 + 0.01 * np.arange(5), -0.01)
    found = answer_of(gains, np.arange(5.0))
    (card,) = found.advice["any"].cards
    assert found.lead.mean > 0.05
    assert (card.method, card.gain, card.below) == ("zero_shot", pytest.approx(-0.01), 5)


def test_one_dataset_or_one_method_gives_no_advice():
    assert answer_of(np.full((3, 1), 0.1), [0.0]).advice == {}
    assert answer_of(np.full((1, 8), 0.1), np.arange(8.0)).advice == {}
    assert "any" in answer_of(np.full((2, 2), 0.1), np.arange(2.0)).advice
