"""What runs get wrong, by class and image, and what they fix or break against zero-shot, against plain loops."""

import numpy as np
import pandas as pd
import pytest

from bench.analysis.error_analysis import (
    GAINS,
    changes,
    class_results,
    confusions,
    hard_images,
    moved_images,
    probabilities,
)


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
    assert confusions(label, predicted, limit=2) == found[:2]
    assert confusions([0, 1], [0, 1], limit=3) == ()


def test_class_results_count_images_and_name_the_most_frequent_error():
    first, second = class_results([0, 0, 0, 0, 3], [0, 2, 2, 1, 3])
    assert (first.label, first.n, first.right, first.taken_for) == (0, 4, 1, 2)
    assert (second.label, second.n, second.right, second.taken_for) == (3, 1, 1, None)


def test_hard_images_are_ordered_by_the_share_of_runs_that_misclassify_them():
    rows = [("a", 0, 0), ("b", 1, 0), ("c", 2, 2), ("a", 0, 1), ("b", 1, 0), ("c", 2, 2), ("b", 1, 2), ("c", 2, 2)]
    frame = pd.DataFrame(rows, columns=["image", "label", "predicted"])
    found = hard_images(frame, limit=5)
    assert [(item.image, item.label, item.wrong, item.runs, item.taken_for) for item in found] == [
        ("b", 1, 3, 3, 0),
        ("a", 0, 1, 2, 1),
    ]
    assert hard_images(frame.iloc[:0], limit=3) == ()


def test_the_order_of_rows_does_not_matter():
    label, predicted = toy_outcomes()
    frame = pd.DataFrame({"image": [f"i{i % 80}" for i in range(400)], "label": label, "predicted": predicted})
    frame["label"] = frame.groupby("image")["label"].transform("first")
    assert hard_images(frame, limit=20) == hard_images(frame.sample(frac=1, random_state=1), limit=20)


def test_probabilities_are_the_softmax():
    logits = np.array([3.0, 1.0, -2.0])
    expected = np.exp(logits) / np.exp(logits).sum()
    assert probabilities(logits[:2], float(np.log(np.exp(logits).sum()))) == pytest.approx(expected[:2])


def outcomes(predictions: dict[str, list[int]], labels: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"run_id": run, "image": f"i{i}", "label": label, "predicted": guess}
            for run, guesses in predictions.items()
            for i, (label, guess) in enumerate(zip(labels, guesses, strict=True))
        ]
    )


def columns(frame: pd.DataFrame, run: str):
    rows = frame[frame["run_id"] == run]
    return rows["image"].to_numpy(dtype=object), rows["label"].to_numpy(), rows["predicted"].to_numpy()


PREDICTIONS = {"zero": [1, 0, 1, 0, 2, 0], "a": [0, 0, 0, 1, 2, 0], "b": [0, 1, 0, 1, 2, 0]}
FRAME = outcomes(PREDICTIONS, [0, 0, 1, 1, 2, 2])


def test_images_that_most_runs_fix_come_first_then_those_that_most_break():
    found = moved_images(FRAME, "zero", limit=4)
    assert [(item.image, item.before, item.right, item.runs) for item in found] == [
        ("i0", 1, 2, 2),
        ("i3", 0, 2, 2),
        ("i2", 1, 0, 2),
        ("i1", 0, 1, 2),
    ]
    assert [item.image for item in moved_images(FRAME, "zero", limit=2)] == ["i0", "i2"]
    assert moved_images(FRAME, "gone", limit=4) == ()
    assert moved_images(FRAME.iloc[:0], "zero", limit=4) == ()
    assert moved_images(FRAME[FRAME["run_id"] == "zero"], "zero", limit=4) == ()


@pytest.mark.parametrize("seed", range(2))
def test_counts_and_gains_are_those_of_plain_loops(seed: int):
    noise = np.random.default_rng(seed)
    labels = noise.integers(0, 40, 300).tolist()
    guesses = {run: [g if noise.random() < 0.6 else int(noise.integers(0, 40)) for g in labels] for run in "zab"}
    frame = outcomes(guesses, labels)
    moved = moved_images(frame, "z", limit=6)
    assert len({item.label for item in moved if item.before != item.label}) == sum(i.before != i.label for i in moved)
    shuffled = {run: columns(frame.sample(frac=1, random_state=seed), run) for run in "ab"}
    found = changes(columns(frame, "z"), shuffled, moved)
    gains: dict[int, float] = {}
    for run, fixed, broken, guessed in zip("ab", found.fixed, found.broken, found.guesses, strict=True):
        pairs = list(zip(labels, guesses["z"], guesses[run], strict=True))
        assert fixed == sum(z != y == own for y, z, own in pairs)
        assert broken == sum(z == y != own for y, z, own in pairs)
        assert guessed == tuple(guesses[run][int(item.image[1:])] for item in moved)
        for y, z, own in pairs:
            gains[y] = gains.get(y, 0.0) + ((own == y) - (z == y)) / (2 * labels.count(y))
    shown = [(gain.after / 2 - gain.before) / gain.n for gain in found.gains]
    assert shown == pytest.approx([gains[gain.label] for gain in found.gains])
    up, down = (sorted((g for g in gains.values() if sign * g > 1e-9), reverse=True) for sign in (1, -1))
    assert shown == pytest.approx([*up[:GAINS], *down[-GAINS:]])


def test_runs_on_other_images_are_not_compared():
    images, labels, predicted = columns(FRAME, "a")
    assert changes(columns(FRAME, "zero"), {"a": (images[:-1], labels[:-1], predicted[:-1])}, ()) is None
    renamed = np.array([f"other {image}" for image in images], dtype=object)
    assert changes(columns(FRAME, "zero"), {"a": (renamed, labels, predicted)}, ()) is None
