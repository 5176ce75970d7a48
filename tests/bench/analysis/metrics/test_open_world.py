"""Open-world metrics against scikit-learn and against a loop over all pairs of images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from one_case import for_each
from scipy.special import softmax

from bench.analysis.metrics.open_world import base_confidence, near_ood_auroc, openworld_auc, predicted_within
from bench.analysis.metrics.scores import MetricInputError


def random_logits(seed: int, n: int, n_cls: int, *, ties: bool) -> np.ndarray:
    logits = 3 * np.random.default_rng(seed).standard_normal((n, n_cls))
    return np.round(logits) if ties else logits


def brute_force(base: np.ndarray, right_base: np.ndarray, new: np.ndarray, right_new: np.ndarray) -> float:
    """Every pair on its own: 1 if all three conditions hold, one half of it if the scores are equal."""
    total = 0.0
    for (high, right_high), (low, right_low) in itertools.product(
        zip(base, right_base, strict=True), zip(new, right_new, strict=True)
    ):
        if right_high and right_low:
            total += 1.0 if high > low else 0.5 if high == low else 0.0
    return total / (len(base) * len(new))


@for_each("ties", [False, True])
@for_each("seed", range(5))
def test_both_areas_equal_independent_computations(seed: int, ties: bool) -> None:
    from sklearn.metrics import roc_auc_score

    n_base, labels = 3, np.random.default_rng(seed + 100)
    logits = [random_logits(seed + i, n, 7, ties=ties) for i, n in enumerate((41, 29))]
    base, new = (base_confidence(one, n_base) for one in logits)
    if ties:
        assert len(np.unique(np.concatenate([base, new]))) < len(base) + len(new)
    truth = [labels.integers(0, n_base, len(base)), labels.integers(n_base, 7, len(new))]
    right = [
        predicted_within(one, n_base, new=bool(i)) == label
        for i, (one, label) in enumerate(zip(logits, truth, strict=True))
    ]
    is_base = [True] * len(base) + [False] * len(new)
    assert near_ood_auroc(base, new) == pytest.approx(roc_auc_score(is_base, np.concatenate([base, new])))
    assert openworld_auc(base, right[0], new, right[1]) == pytest.approx(brute_force(base, right[0], new, right[1]))
    # the published construction: images that are classified wrongly get the score that loses every pair
    scores = np.concatenate([np.where(right[0], base, new.min() - 1), np.where(right[1], new, base.max() + 1)])
    assert openworld_auc(base, right[0], new, right[1]) == pytest.approx(roc_auc_score(is_base, scores))


def test_it_is_at_most_the_detection_and_at_most_both_accuracies() -> None:
    draw = np.random.default_rng(0)
    base, new = draw.normal(1, 1, 50), draw.normal(0, 1, 60)
    right_base, right_new = draw.random(50) < 0.8, draw.random(60) < 0.6
    found = openworld_auc(base, right_base, new, right_new)
    assert found <= near_ood_auroc(base, new)
    assert found <= right_base.mean() * right_new.mean()
    assert openworld_auc(base, right_base | True, new, right_new | True) == near_ood_auroc(base, new)


def test_nothing_right_gives_zero() -> None:
    assert openworld_auc([1.0], [False], [0.0], [True]) == 0
    assert openworld_auc([1.0], [True], [0.0], [False]) == 0


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_the_confidence_is_the_largest_softmax_probability_of_the_base_names(scale: float) -> None:
    logits = scale * random_logits(3, 20, 9, ties=False)
    expected = softmax(logits[:, :4], axis=1).max(axis=1)
    np.testing.assert_allclose(np.exp(base_confidence(logits, 4)), expected, rtol=1e-12)


def test_confidences_stay_different_where_the_probability_rounds_to_one() -> None:
    logits = np.array([[80.0, 0.0, 0.0], [90.0, 0.0, 0.0]])
    assert (softmax(logits[:, :2], axis=1).max(axis=1) == 1.0).all()
    low, high = base_confidence(logits, 2)
    assert low < high < 0


def test_new_names_do_not_change_the_confidence() -> None:
    logits = random_logits(4, 6, 5, ties=False)
    other = np.concatenate([logits[:, :3], 50 + logits[:, 3:]], axis=1)
    np.testing.assert_array_equal(base_confidence(logits, 3), base_confidence(other, 3))


@pytest.mark.parametrize(("base", "new"), [([], [0.1]), ([0.1], [])])
def test_images_of_both_kinds_are_needed(base: list[float], new: list[float]) -> None:
    with pytest.raises(MetricInputError, match=f"{len(base)} base and {len(new)} new images"):
        near_ood_auroc(base, new)
    with pytest.raises(MetricInputError, match="pair needs one"):
        openworld_auc(base, [True] * len(base), new, [True] * len(new))
