"""Difficulty and gain share the zero-shot accuracy: the part of a gain on hard datasets that is chance."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.easy_and_hard import difficulty_groups, gain_by_chance

NAMES = [f"d{number:02}" for number in range(11)]
CHANCE = dict.fromkeys(NAMES, 0.1)


@pytest.mark.parametrize("images", [28, 300])
def test_it_is_what_a_method_without_any_gain_seems_to_gain(images):
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


def test_without_groups_nothing_is_added():
    few = NAMES[:3]
    assert gain_by_chance(dict.fromkeys(few, 0.5), CHANCE, dict.fromkeys(few, 20)) == 0
