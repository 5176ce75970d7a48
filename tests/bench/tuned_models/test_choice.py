"""Choosing by margin and coverage, on simulated clusters whose right answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from bench.tuned_models.label_suggestions import choose, margins

N_CLUSTERS, EACH = 8, 30


def clusters(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features around eight directions, and the cluster of each row, in random order."""
    rng = np.random.default_rng(seed)
    member = rng.permutation(np.repeat(np.arange(N_CLUSTERS), EACH))
    return np.eye(N_CLUSTERS, 16)[member] + 0.05 * rng.normal(size=(len(member), 16)), member


@pytest.mark.parametrize("seed", range(5))
def test_coverage_selects_from_every_cluster(seed: int) -> None:
    features, member = clusters(seed)
    found = choose(features, np.zeros(len(features)), np.empty((0, 16)), N_CLUSTERS, "coverage")
    assert {int(member[c.index]) for c in found} == set(range(N_CLUSTERS))


@pytest.mark.parametrize("rule", ["coverage", "both"])
def test_clusters_with_labelled_images_come_last(rule: str) -> None:
    features, member = clusters(0)
    labelled = np.eye(N_CLUSTERS, 16)[:5]
    found = choose(features, np.full(len(features), 0.5), labelled, 3, rule)
    assert {int(member[c.index]) for c in found} == {5, 6, 7}
    assert min(c.distance for c in found) > 0.5


def test_margin_picks_the_uncertain_ones() -> None:
    features, _ = clusters(0)
    rng = np.random.default_rng(0)
    margin = rng.uniform(0.2, 1, len(features))
    unsure = rng.choice(len(features), 10, replace=False)
    margin[unsure] = np.linspace(0, 0.1, 10)
    found = choose(features, margin, np.empty((0, 16)), 10, "margin")
    assert [c.index for c in found] == list(unsure)


def test_both_spreads_over_the_uncertain_clusters() -> None:
    features, member = clusters(0)
    margin = np.where(member < 4, 0.05, 0.999)
    found = choose(features, margin, np.eye(N_CLUSTERS, 16)[:1], 3, "both")
    assert {int(member[c.index]) for c in found} == {1, 2, 3}


def test_no_image_is_chosen_twice_and_no_more_than_there_are() -> None:
    features = np.ones((4, 16))
    found = choose(features, np.ones(4), np.ones((1, 16)), 10)
    assert sorted(c.index for c in found) == [0, 1, 2, 3]


def test_margins_are_differences_of_the_two_largest() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(5), size=50)
    expected = [sorted(row)[-1] - sorted(row)[-2] for row in rows]
    assert margins(rows) == pytest.approx(expected)
    assert margins(np.ones((2, 1))).tolist() == [1, 1]
