"""Suspect labels: against plain loops, cleanlab and scikit-learn, and with planted wrong labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from bench.analysis.statistics import suspect_labels
from bench.analysis.statistics.suspect_labels import (
    audit_labels,
    confident_learning,
    discriminant,
    held_out_probabilities,
)


def noisy_probabilities(seed: int, n: int = 600, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of noisy logits, and labels of which 5 % are wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes)) + 1.5 * np.eye(classes)[true]
    labels = true.copy()
    wrong = rng.permutation(n)[: n // 20]
    labels[wrong] = (labels[wrong] + rng.integers(1, classes, len(wrong))) % classes
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True), labels


def test_confident_learning_is_that_of_plain_loops() -> None:
    """The definitions of Northcutt et al., equations 1 to 3, one image at a time."""
    probabilities, labels = noisy_probabilities(5, n=150)
    n, classes = probabilities.shape
    threshold = [np.mean([p[j] for p, y in zip(probabilities, labels, strict=True) if y == j]) for j in range(classes)]
    joint = np.zeros((classes, classes))
    suspects = []
    for i, (p, y) in enumerate(zip(probabilities, labels, strict=True)):
        reached = [j for j in range(classes) if p[j] >= threshold[j]]
        if reached:
            j = max(reached, key=lambda j: p[j])
            joint[y, j] += 1
            if j != y and p[j] > p[y]:
                suspects.append((i, j))
    calibrated = [joint[j] / joint[j].sum() * (labels == j).sum() for j in range(classes)]
    rows = np.arange(n)
    found = confident_learning(
        labels, lambda: [(rows[:70], probabilities[:70]), (rows[70:], probabilities[70:])], classes
    )
    assert sorted((one.image, one.suggested) for one in found.suspects) == suspects
    assert found.share == pytest.approx(1 - np.trace(calibrated) / np.sum(calibrated))
    assert found.accuracy == np.mean(probabilities.argmax(axis=1) == labels)
    assert [one.margin for one in found.suspects] == sorted((one.margin for one in found.suspects), reverse=True)


@pytest.mark.parametrize(
    ("seed", "number", "share"), [(0, 90, 0.225), (1, 104, 0.26), (2, 92, 0.2367), (3, 79, 0.2033)]
)
def test_confident_learning_is_that_of_cleanlab(seed: int, number: int, share: float) -> None:
    """Recorded from cleanlab 2.9.0, which rounds the joint to whole images."""
    probabilities, labels = noisy_probabilities(seed)
    found = confident_learning(labels, lambda: [(np.arange(600), probabilities)], 4)
    assert len(found.suspects) == number
    assert found.share == pytest.approx(share, abs=2 / 600)


def test_the_classifier_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspect_labels, "_ROWS", 50)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    features = rng.normal(size=(200, 12)) * np.linspace(0.5, 2, 12) + rng.normal(size=(3, 12))[labels]
    rows = rng.permutation(200)[:160]
    means = np.stack([features[rows][labels[rows] == j].mean(axis=0) for j in range(3)])
    _, shrinkage = ledoit_wolf(features[rows] - means[labels[rows]], assume_centered=True)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=float(shrinkage))
    theirs.fit(features[rows], labels[rows])
    weights, bias = discriminant(features, labels, rows)
    ours = features @ weights + bias
    logits = ours - ours.mean(axis=1, keepdims=True)
    expected = theirs.decision_function(features)
    expected -= expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def test_no_image_is_judged_by_itself_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(4), 15)
    features = rng.normal(size=(60, 6)) + 2 * rng.normal(size=(4, 6))[labels]
    blocks = list(held_out_probabilities(features, labels)())
    assert np.sort(np.concatenate([rows for rows, _ in blocks])).tolist() == list(range(60))
    changed = features.copy()
    changed[blocks[0][0]] = 0.0  # a whole fold
    weights, _ = discriminant(changed, labels, np.setdiff1d(np.arange(60), blocks[0][0]))
    expected, _ = discriminant(features, labels, np.setdiff1d(np.arange(60), blocks[0][0]))
    np.testing.assert_array_equal(weights, expected)
    whole = audit_labels(features, labels.tolist())
    monkeypatch.setattr(suspect_labels, "_BLOCK", 4 * 20)
    assert [one.image for one in audit_labels(features, labels.tolist()).suspects] == [
        one.image for one in whole.suspects
    ]


def test_planted_wrong_labels_are_found_with_their_right_labels() -> None:
    rng = np.random.default_rng(3)
    classes, n, dim = 10, 2000, 64
    centres = rng.normal(size=(classes, dim))
    true = rng.integers(0, classes, n)
    features = centres[true] + 1.2 * rng.normal(size=(n, dim))
    wrong = rng.permutation(n)[: n // 20]
    labels = true.copy()
    labels[wrong] = (true[wrong] + rng.integers(1, classes, len(wrong))) % classes
    found = audit_labels(3 * features, labels.tolist())
    named = {one.image for one in found.suspects}
    hits = named & set(wrong.tolist())
    assert len(hits) >= 0.9 * len(wrong)
    assert len(hits) >= 0.9 * len(named)
    assert np.mean([one.suggested == true[one.image] for one in found.suspects if one.image in hits]) >= 0.95
    assert found.share == pytest.approx(0.05, abs=0.015)
    clean = audit_labels(features, true.tolist())
    assert len(clean.suspects) <= 0.01 * n
    assert clean.share < 0.01


def test_a_class_with_one_image_is_not_judged_and_one_class_has_no_suspects() -> None:
    rng = np.random.default_rng(4)
    features = rng.normal(size=(21, 5))
    found = audit_labels(features, [0] * 10 + [2] * 10 + [1])
    assert found.judged == 20
    assert not {20} & {one.image for one in found.suspects}
    assert {one.suggested for one in found.suspects} <= {0, 2}
    assert audit_labels(features, [0] * 21).judged == 0


def test_equal_features_are_no_error() -> None:
    found = audit_labels(np.ones((12, 4)), [0, 1] * 6)
    assert found.judged == 12
