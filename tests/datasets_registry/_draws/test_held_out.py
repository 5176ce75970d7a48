"""Folds of the training part: what is held out, and that the test part is never read."""

from __future__ import annotations

import pytest

from datasets_registry import (
    DataError,
    DatasetSplits,
    DrawRule,
    EvalProtocol,
    Fold,
    Sample,
    TaskRequest,
    build_task,
    get_dataset,
    labelled_images,
    shots_within_folds,
)

INFO = get_dataset("spectrum_basic")
SPLITS = INFO.reader(None)


def task(fold: Fold | None, shots: int = 2):
    return build_task(
        TaskRequest(INFO, SPLITS, protocol=EvalProtocol.FEW_SHOT, shots=shots, seed=1, draw=DrawRule.COOP, fold=fold)
    )


def test_every_labelled_image_is_held_out_once_and_never_trained_on() -> None:
    held = []
    for index in range(1, 5):
        found = task(Fold(index, 4, 1, 48))
        keys = {sample.key for sample in found.eval("all").samples}
        assert not keys & {sample.key for sample in found.support.samples}
        held += keys
    assert sorted(held) == sorted(sample.key for sample in SPLITS.train)
    assert not set(held) & {sample.key for sample in SPLITS.test}


def test_repetitions_divide_the_same_images_differently() -> None:
    first, second = (task(Fold(1, 4, repeat, 10)).eval("all").samples for repeat in (1, 2))
    assert set(first) != set(second)
    used = {sample.key for sample in labelled_images(SPLITS, 10, dataset=INFO.name)}
    assert {sample.key for sample in (*first, *second)} <= used
    assert len(used) == 10 * len(SPLITS.class_names)


def test_a_task_without_a_fold_keeps_its_fingerprint() -> None:
    assert task(None).fingerprint != task(Fold(1, 4, 1, 48)).fingerprint
    assert len({task(Fold(i, 4, 1, 48)).fingerprint for i in range(1, 5)}) == 4


def test_shots_within_folds_are_always_available() -> None:
    shots = shots_within_folds(SPLITS, 4, 10)
    assert shots == 7
    for index in range(1, 5):
        assert len(task(Fold(index, 4, 1, 10), shots).support) == shots * len(SPLITS.class_names)


def test_a_class_with_one_image_cannot_be_divided() -> None:
    few = DatasetSplits(SPLITS.images, ("a", "b"), (Sample("x", 0), Sample("y", 0), Sample("z", 1)), (), ())
    with pytest.raises(DataError, match=r"fewer than two training images of class 'b' \(1 such\)"):
        labelled_images(few, 10, dataset="toy")


@pytest.mark.parametrize("text", ["", "1/4", "fold=5/4,repeat=1,most=48", "fold=1/1,repeat=1,most=48"])
def test_a_fold_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="write it as fold=1/4,repeat=1,most=48"):
        Fold.parse(text)
