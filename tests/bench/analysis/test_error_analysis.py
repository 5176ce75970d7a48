import numpy as np
import pandas as pd
import pytest

from bench.analysis.error_analysis import class_results, confusions, hard_images, probabilities


def toy_outcomes(n=400, classes=6, seed=0):
    draw = np.random.default_rng(seed)
    label = draw.integers(classes, size=n)
    return label, np.where(draw.random(n) < 0.5, label, draw.integers(classes, size=n))


def test_confusions_are_the_cells_off_the_diagonal_of_the_confusion_matrix():
    label, predicted = toy_outcomes()
    matrix = pd.crosstab(label, predicted).to_numpy()
    found = confusions(label, predicted, limit=1000)
    assert {(c.label, c.predicted): c.count for c in found} == {
        (i, j): matrix[i, j] for i in range(6) for j in range(6) if i != j and matrix[i, j]
    }
    assert list(found) == sorted(found, key=lambda c: (-c.count, c.label, c.predicted))
    assert all(c.n == matrix[c.label].sum() for c in found)


def test_confusions_are_limited_and_their_share_is_of_the_true_class():
    found = confusions([0, 0, 0, 0, 1, 1], [1, 1, 1, 0, 0, 1], limit=1)
    assert [(c.label, c.predicted, c.count / c.n) for c in found] == [(0, 1, 0.75)]


def test_without_errors_there_is_no_confusion():
    assert confusions([0, 1], [0, 1], limit=3) == ()


def test_class_results_count_images_and_name_the_most_frequent_error():
    first, second = class_results([0, 0, 0, 0, 3], [0, 2, 2, 1, 3])
    assert (first.label, first.n, first.right, first.taken_for) == (0, 4, 1, 2)
    assert (second.label, second.n, second.right, second.taken_for) == (3, 1, 1, None)


def test_class_results_add_up_to_the_accuracy():
    label, predicted = toy_outcomes(seed=2)
    found = class_results(label, predicted)
    assert sum(c.right for c in found) / sum(c.n for c in found) == pytest.approx((label == predicted).mean())


def outcomes(rows):
    return pd.DataFrame(rows, columns=["image", "label", "predicted"])


def test_hard_images_are_ordered_by_the_share_of_runs_that_misclassify_them():
    frame = outcomes(
        [("a", 0, 0), ("b", 1, 0), ("c", 2, 2), ("a", 0, 1), ("b", 1, 0), ("c", 2, 2), ("b", 1, 2), ("c", 2, 2)]
    )
    found = hard_images(frame, limit=5)
    assert [(item.image, item.label, item.wrong, item.runs, item.taken_for) for item in found] == [
        ("b", 1, 3, 3, 0),
        ("a", 0, 1, 2, 1),
    ]


def test_the_order_of_rows_does_not_matter():
    label, predicted = toy_outcomes()
    frame = outcomes(list(zip([f"i{i % 80}" for i in range(400)], label, predicted, strict=True)))
    frame["label"] = frame.groupby("image")["label"].transform("first")
    assert hard_images(frame, limit=20) == hard_images(frame.sample(frac=1, random_state=1), limit=20)


def test_without_outcomes_there_are_no_hard_images():
    assert hard_images(outcomes([]), limit=3) == ()


def test_probabilities_are_the_softmax():
    logits = np.array([3.0, 1.0, -2.0])
    expected = np.exp(logits) / np.exp(logits).sum()
    assert probabilities(logits[:2], float(np.log(np.exp(logits).sum()))) == pytest.approx(expected[:2])
