"""Images that runs fix or break against zero-shot, and gains of classes, against plain loops."""

import numpy as np
import pandas as pd
import pytest

from bench.analysis import error_analysis
from bench.analysis.error_analysis import GAINS


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


LABELS = [0, 0, 1, 1, 2, 2]
PREDICTIONS = {"zero": [1, 0, 1, 0, 2, 0], "a": [0, 0, 0, 1, 2, 0], "b": [0, 1, 0, 1, 2, 0]}


def test_images_that_most_runs_fix_come_first_then_those_that_most_break():
    found = error_analysis.moved_images(outcomes(PREDICTIONS, LABELS), "zero", limit=4)
    assert [(item.image, item.before, item.right, item.runs) for item in found] == [
        ("i0", 1, 2, 2),
        ("i3", 0, 2, 2),
        ("i2", 1, 0, 2),
        ("i1", 0, 1, 2),
    ]
    assert [item.image for item in error_analysis.moved_images(outcomes(PREDICTIONS, LABELS), "zero", limit=2)] == [
        "i0",
        "i2",
    ]


def test_without_zero_shot_or_other_runs_nothing_moved():
    frame = outcomes(PREDICTIONS, LABELS)
    assert error_analysis.moved_images(frame, "gone", limit=4) == ()
    assert error_analysis.moved_images(frame[frame["run_id"] == "zero"], "zero", limit=4) == ()
    assert error_analysis.moved_images(frame.iloc[:0], "zero", limit=4) == ()


@pytest.mark.parametrize("seed", range(5))
def test_counts_and_gains_are_those_of_plain_loops(seed: int):
    noise = np.random.default_rng(seed)
    labels = noise.integers(0, 40, 300).tolist()
    guesses = {run: [g if noise.random() < 0.6 else int(noise.integers(0, 40)) for g in labels] for run in "zab"}
    frame = outcomes(guesses, labels)
    moved = error_analysis.moved_images(frame, "z", limit=6)
    assert len({item.label for item in moved if item.before != item.label}) == sum(i.before != i.label for i in moved)
    shuffled = {run: columns(frame.sample(frac=1, random_state=seed), run) for run in "ab"}
    found = error_analysis.changes(columns(frame, "z"), shuffled, moved)
    assert found is not None
    gains: dict[int, float] = {}
    for run, fixed, broken, guessed in zip("ab", found.fixed, found.broken, found.guesses, strict=True):
        pairs = list(zip(labels, guesses["z"], guesses[run], strict=True))
        assert fixed == sum(z != y == own for y, z, own in pairs)
        assert broken == sum(z == y != own for y, z, own in pairs)
        assert guessed == tuple(guesses[run][int(item.image[1:])] for item in moved)
        for y, z, own in pairs:
            gains[y] = gains.get(y, 0.0) + ((own == y) - (z == y)) / (2 * labels.count(y))
    shown = [(gain.after / 2 - gain.before) / gain.n for gain in found.gains]
    assert shown == sorted(shown, reverse=True)
    assert {gain.label: pytest.approx(value) for gain, value in zip(found.gains, shown, strict=True)} == {
        gain.label: gains[gain.label] for gain in found.gains
    }
    up, down = (sorted((g for g in gains.values() if sign * g > 1e-9), reverse=True) for sign in (1, -1))
    assert shown == pytest.approx([*up[:GAINS], *down[-GAINS:]])


def test_runs_on_other_images_are_not_compared():
    frame = outcomes(PREDICTIONS, LABELS)
    images, labels, predicted = columns(frame, "a")
    assert error_analysis.changes(columns(frame, "zero"), {"a": (images[:-1], labels[:-1], predicted[:-1])}, ()) is None
    renamed = np.array([f"other {image}" for image in images], dtype=object)
    assert error_analysis.changes(columns(frame, "zero"), {"a": (renamed, labels, predicted)}, ()) is None
