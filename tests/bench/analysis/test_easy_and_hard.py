"""Easy and hard datasets: thirds by difficulty or those that the user names, and the part of a gain that is chance."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.easy_and_hard import chosen_groups, difficulty_groups, gain_by_chance
from bench.errors import UsageError

DIFFICULTY = {name: float(place) for place, name in enumerate("fbdaec")}
NAMES = [f"d{number:02}" for number in range(11)]
CHANCE = dict.fromkeys(NAMES, 0.1)


def test_thirds_by_difficulty_and_no_groups_below_six_datasets():
    assert difficulty_groups("abcdef", DIFFICULTY) == (["f", "b"], ["e", "c"])
    assert difficulty_groups("abcde", DIFFICULTY) == ([], [])
    many = {f"d{i:02}": float(i) for i in range(30)}
    assert difficulty_groups(sorted(many), many)[0] == ["d00", "d01", "d02"], "at most three"


def test_named_groups_ignore_difficulty_and_datasets_without_runs():
    groups = chosen_groups(["c", "zz"], ["f", "b"])
    assert groups("abc", DIFFICULTY) == (["c"], ["b"])
    assert chosen_groups([], []) is difficulty_groups


@pytest.mark.parametrize(
    ("easy", "hard", "message"), [("a", "", "go together"), ("", "a", "go together"), ("ab", "bc", "b cannot be both")]
)
def test_empty_and_overlapping_groups_are_errors(easy: str, hard: str, message: str):
    with pytest.raises(UsageError, match=message):
        chosen_groups(list(easy), list(hard))


@pytest.mark.parametrize("images", [28, 300])
def test_the_gain_by_chance_is_what_a_method_without_any_gain_seems_to_gain(images):
    """A method that equals zero-shot in truth, tested on images of its own; both are drawn again each time."""
    draw, true = np.random.default_rng(images), np.linspace(0.5, 0.8, 11)
    seen = []
    for _ in range(120):
        zero, other = draw.binomial(images, true, (2, 11)) / images
        _, hard = difficulty_groups(NAMES, dict(zip(NAMES, 0.1 / zero, strict=True)))
        seen.append(np.mean([(other - zero)[NAMES.index(name)] for name in hard]))
    accuracy = dict(zip(NAMES, true.tolist(), strict=True))
    told = gain_by_chance(accuracy, CHANCE, dict.fromkeys(NAMES, images))
    assert told == pytest.approx(np.mean(seen), abs=4 * np.std(seen) / np.sqrt(len(seen)))
    assert (told > 0.01) == (images == 28)
    few = NAMES[:3]
    assert gain_by_chance(dict.fromkeys(few, 0.5), CHANCE, dict.fromkeys(few, 20)) == 0, "no groups"
