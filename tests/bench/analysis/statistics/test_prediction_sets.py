"""Prediction sets: coverage in simulations with known truth, and agreement with a plain implementation."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.statistics.prediction_sets import (
    PromiseError,
    class_scores,
    conformal_rank,
    conformal_threshold,
    images_needed,
    in_sets,
    set_scores,
    too_few,
)

CLASSES = 6


def logits_of(labels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Logits of an overconfident classifier, `(*shape, CLASSES)`, for which some classes are harder than others."""
    found = draw.normal(size=(*labels.shape, CLASSES))
    found += np.linspace(0.3, 4, CLASSES)[labels][..., None] * (np.arange(CLASSES) == labels[..., None])
    return (3 * found).astype(np.float32)


def scores_of(labels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Scores of the true classes."""
    logits = logits_of(labels, draw)
    log_sum = np.log(np.exp(logits.astype(np.float64)).sum(axis=-1)).astype(np.float32)
    flat = class_scores(logits.reshape(-1, CLASSES), log_sum.reshape(-1)).reshape(logits.shape)
    return np.take_along_axis(flat, labels[..., None], axis=-1)[..., 0]


def check_coverage(n: int, promise: float, trials: int, *, balanced: bool = False) -> None:
    """The mean coverage of many calibrations is the promise to the promise + 1 / (n + 1), within four standard errors.

    With `balanced`, each class has equally many calibration images, as in a few-shot draw, and not a random number.
    """
    draw = np.random.default_rng(n + int(1000 * promise))
    fixed = np.arange(n) % CLASSES
    labels = np.tile(fixed, (trials, 1)) if balanced else draw.integers(CLASSES, size=(trials, n))
    known = scores_of(labels, draw)
    limits = np.sort(known, axis=1)[:, conformal_rank(n, promise) - 1]
    assert limits[0] == conformal_threshold(known[0], promise)
    new = scores_of(draw.integers(CLASSES, size=(trials, 20)), draw)
    covered = (new <= limits[:, None]).mean(axis=1)
    error = 4 * float(covered.std()) / math.sqrt(trials)
    mean = float(covered.mean())
    assert promise - error <= mean <= promise + 1 / (n + 1) + error
    if not balanced:
        assert mean == pytest.approx(conformal_rank(n, promise) / (n + 1), abs=error)


@pytest.mark.parametrize(("n", "promise"), [(19, 0.95), (24, 0.9), (96, 0.95)])
def test_coverage_lies_between_the_promise_and_one_image_more(n: int, promise: float) -> None:
    check_coverage(n, promise, 2000)


@pytest.mark.parametrize("n", [24, 48])
def test_the_same_holds_with_equally_many_calibration_images_of_each_class(n: int) -> None:
    check_coverage(n, 0.95, 2000, balanced=True)


@pytest.mark.slow
@pytest.mark.parametrize("promise", [0.5, 0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [19, 20, 39, 99, 100, 400])
def test_coverage_over_many_sizes_and_promises(n: int, promise: float) -> None:
    if not too_few(n, promise):
        check_coverage(n, promise, 10_000)


def test_images_that_chose_the_classifier_do_not_keep_the_promise() -> None:
    """The best of ten classifiers by its accuracy on 20 calibration images: the reason to promise nothing then."""
    draw, n, candidates = np.random.default_rng(0), 20, 10
    scores = scores_of(np.tile(draw.integers(CLASSES, size=(600, 1, n)), (1, candidates, 1)), draw)
    best = (scores < math.log(2)).mean(axis=2).argmax(axis=1)
    limits = np.sort(scores[np.arange(600), best], axis=1)[:, conformal_rank(n, 0.95) - 1]
    new = scores_of(draw.integers(CLASSES, size=(600, 100)), draw)
    assert (new <= limits[:, None]).mean() < 0.94


def plain_sets(calibration: list[float], new: list[list[float]], promise: str) -> tuple[list[list[int]], float] | None:
    """Split conformal prediction in a loop over candidate thresholds, after Angelopoulos and Bates (2023), section 1.

    The threshold is the smallest calibration score with at least `(n + 1) promise` scores up to it.
    """
    for limit in sorted(calibration):
        if sum(score <= limit for score in calibration) >= (len(calibration) + 1) * Fraction(promise):
            return [[place for place, score in enumerate(row) if score <= limit] for row in new], limit
    return None


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=60),
    st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=1, max_size=5),
    st.sampled_from(["0.5", "0.8", "0.9", "0.95", "0.99"]),
)
def test_sets_are_those_of_a_plain_implementation(calibration: list[float], new: list[list[float]], text: str) -> None:
    """Also with equal scores, and where the number of images is too small."""
    expected, promise = plain_sets(calibration, new, text), float(text)
    if expected is None:
        assert images_needed(promise) > len(calibration)
        with pytest.raises(PromiseError, match=f"needs {images_needed(promise)} validation images"):
            conformal_threshold(calibration, promise)
        return
    assert not too_few(len(calibration), promise)
    limit = conformal_threshold(calibration, promise)
    found = in_sets(new, limit)
    assert ([row.nonzero()[0].tolist() for row in found], limit) == expected


@pytest.mark.parametrize(("promise", "needed"), [(0.95, 19), (0.9, 9), (0.99, 99), (0.8, 4), (0.999, 999), (0.5, 1)])
def test_the_smallest_number_of_images(promise: float, needed: int) -> None:
    assert images_needed(promise) == needed
    assert conformal_rank(needed, promise) == needed
    assert conformal_rank(needed - 1, promise) == needed
    assert too_few(needed, promise) == ""
    assert too_few(needed - 1, promise).endswith(f"there are {needed - 1}")


@pytest.mark.parametrize("promise", [0, 1, -0.1, 1.5, 95, math.nan, math.inf])
def test_a_promise_that_is_no_probability_is_refused(promise: float) -> None:
    with pytest.raises(PromiseError, match="not between 0 and 1"):
        conformal_threshold([0.1] * 100, promise)


def test_size_and_coverage_follow_from_sizes_and_ranks() -> None:
    draw = np.random.default_rng(1)
    labels = draw.integers(CLASSES, size=200)
    logits = logits_of(labels, draw)
    scores = class_scores(logits, np.log(np.exp(logits.astype(np.float64)).sum(axis=1)))
    inside = in_sets(scores, 0.8)
    ranks = (logits > logits[np.arange(200), labels][:, None]).sum(axis=1)
    expected = {"set_size": inside.sum(axis=1).mean(), "set_coverage": inside[np.arange(200), labels].mean()}
    assert set_scores(inside.sum(axis=1), ranks) == pytest.approx(expected)
