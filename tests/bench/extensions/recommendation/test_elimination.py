"""Races with known best methods: the error rate, the right method, what it costs, and the interval."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_races import SimulatedRace, simulated

from bench.extensions.recommendation.answer import RaceVerdict
from bench.extensions.recommendation.elimination import look
from bench.extensions.recommendation.folds import groups_of
from datasets_registry import Sample

RACES = 200


def test_the_right_method_within_the_margin_in_95_percent_of_races() -> None:
    """One method is 3 points better than the next and 10 better than the others, on 1,000 labelled images."""
    accuracies, rng = [*[0.70] * 12, 0.77, 0.80], np.random.default_rng(1)
    right, kept, shares, regrets = 0, 0, [], []
    for _ in range(RACES):
        race, decision = simulated(SimulatedRace(rng, accuracies, images=1000))
        lost = max(accuracies) - accuracies[int(decision.pick[1:])]
        right += lost <= 0.005
        kept += "m13" in race.left
        shares.append(race.share)
        regrets.append(lost)
    assert right >= 0.95 * RACES
    assert kept >= 0.95 * RACES
    assert np.mean(shares) <= 0.30
    assert np.mean(regrets) <= 0.003


@pytest.mark.parametrize(("images", "training"), [(300, 0.05), (1000, 0.1)])
def test_the_best_of_equal_methods_is_kept(images: int, training: float) -> None:
    """The hardest case for the error rate: every drop is an error. `training` 0.1 is 2 points between trainings."""
    rng, dropped, races = np.random.default_rng(2), 0, 60
    for _ in range(races):
        race = SimulatedRace(rng, [0.8] * 6, images=images, training=training, margin=0.01).run()
        dropped += "m00" not in race.left
    assert dropped <= 0.1 * races  # 6 of 60: P = 0.008 at the promised 5 %


def test_the_interval_covers_the_accuracy_on_unseen_images() -> None:
    """Also where the best of equal methods looks better than it is."""
    rng, covered, errors, races = np.random.default_rng(3), 0, [], 60
    for _ in range(races):
        _, decision = simulated(SimulatedRace(rng, [0.8] * 8, images=300))
        found = decision.accuracy
        covered += found.low <= 0.8 <= found.high
        errors.append(found.mean - 0.8)
    assert covered >= 0.9 * races
    assert np.mean(errors) < 0.01  # uncorrected, it is 0.013 too good


def test_a_race_of_equal_methods_ends_before_all_repetitions() -> None:
    race, decision = simulated(SimulatedRace(np.random.default_rng(4), [0.8] * 5, images=200))
    assert race.trainings < 5 * len(race.outcomes.repeats) * 4
    assert len(decision.standings) == len(race.left) == 5


def test_images_of_one_group_do_not_count_as_many() -> None:
    right = {"good": np.array([[1.0] * 14 + [0.0] * 6]), "bad": np.array([[1.0] * 10 + [0.0] * 10])}
    folds = np.arange(20)[None] % 2 + 1
    copies = {name: np.repeat(table, 30, axis=1) for name, table in right.items()}
    images, groups = np.repeat(folds, 30, axis=1), np.repeat(np.arange(20), 30)
    assert look(copies, images, margin=0.01, tests=4).dropped == ("bad",)
    found = look(copies, images, margin=0.01, tests=4, groups=groups)
    assert found.dropped == look(right, folds, margin=0.01, tests=4).dropped == ()
    assert found.below_leader["bad"].mean == pytest.approx(0.2)


def test_a_race_that_ends_at_any_point_makes_a_last_look_and_keeps_the_best_of_equal_methods() -> None:
    """Every drop is an error; the budget ends the race after a random number of trainings."""
    rng, dropped, races = np.random.default_rng(5), 0, 60
    for _ in range(races):
        race, affordable = SimulatedRace(rng, [0.8] * 6, images=200, margin=0.01), int(rng.integers(6, 72))
        race.affordable = affordable
        found = race.run()
        dropped += "m00" not in found.left
        assert found.trainings <= affordable
    assert dropped <= 0.1 * races


def test_the_last_look_uses_what_was_trained_after_the_last_planned_one() -> None:
    """The budget ends in the second repetition, after seven folds; the planned looks are after four and eight."""
    said: dict[str, int] = {}
    for seed in range(20):
        race = SimulatedRace(np.random.default_rng(seed), [0.9, 0.7], images=60, trainings=14)
        found, decision = simulated(race)
        if found.trainings < 14:  # decided before
            continue
        tables = race.outcomes.tables(["m00", "m01"])
        last = look(tables, race.outcomes.folds, margin=0.005, tests=6)
        assert len(found.left) == 2 - len(last.dropped)
        assert found.last.below_leader == last.below_leader
        said[decision.standings[-1].verdict] = said.get(decision.standings[-1].verdict, 0) + 1
    assert said[RaceVerdict.LEADER] > 0, "the other method was dropped by the last look"
    assert set(said) <= {RaceVerdict.LEADER, RaceVerdict.WORSE, RaceVerdict.SAME, RaceVerdict.UNKNOWN}


def test_no_difference_is_said_only_of_methods_that_were_trained_as_often_as_the_leader() -> None:
    rng, same = np.random.default_rng(6), 0
    for _ in range(20):
        race = SimulatedRace(rng, [0.9, 0.88, *[0.55] * 6], images=240, trainings=int(rng.integers(8, 60)))
        _, decision = simulated(race)
        trained = race.outcomes.trainings(decision.leader)
        for item in decision.standings[1:]:
            if item.verdict is RaceVerdict.SAME:
                same += 1
                assert item.below_leader.low <= 0 <= item.below_leader.high
                assert race.outcomes.trainings(item.method) >= trained
                assert item.labels is None or item.labels > 240
            if item.below_leader.low is not None:
                assert -1 <= item.below_leader.low <= item.below_leader.high <= 1
    assert same > 0


def test_one_fold_tells_nothing_of_the_noise_of_trainings() -> None:
    right = {"good": np.ones((1, 40)), "bad": np.zeros((1, 40))}
    found = look(right, np.ones((1, 40), dtype=int), margin=0.005, tests=1)
    assert found.dropped == ()
    assert found.below_leader["bad"].low is None
    _, decision = simulated(SimulatedRace(np.random.default_rng(7), [0.9, 0.55], images=60, trainings=2))
    assert [item.verdict for item in decision.standings] == [RaceVerdict.LEADER, RaceVerdict.STOPPED]


def test_an_image_without_a_group_is_a_group() -> None:
    images = [Sample("a.png", 0, "p1"), Sample("b.png", 1), Sample("c.png", 0, "p1"), Sample("d.png", 1)]
    assert groups_of(images).tolist() == [0, 1, 0, 2]
    assert groups_of([Sample("a.png", 0), Sample("b.png", 1)]) is None
