"""The unlabelled pool: which images it has, that it hides their labels, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from datasets_registry import (
    DataError,
    DatasetInfo,
    DatasetSplits,
    EvalProtocol,
    FewShotTask,
    PoolRule,
    ShotsError,
    SupportRule,
    TaskRequest,
    build_task,
    few_shot_draws,
    get_dataset,
    held_out,
)

INFO = get_dataset("spectrum_blur")
SPLITS = INFO.reader(None)
LABELS = {sample.key: sample.label for sample in SPLITS.train}


def task(pool: str | None, *, info: DatasetInfo = INFO, splits: DatasetSplits = SPLITS, **changes: Any) -> FewShotTask:
    axes = {"protocol": EvalProtocol.FEW_SHOT, "shots": 4, "seed": 1, "draw": "coop"} | changes
    return build_task(TaskRequest(info, splits, pool=PoolRule.parse(pool) if pool else None, **axes))


def keys(pool: str, **changes: Any) -> tuple[str, ...]:
    found = task(pool, **changes).pool
    assert found is not None
    return found.keys


def test_it_has_the_training_images_without_a_label_in_the_run() -> None:
    drawn = task("train")
    labelled = {sample.key for sample in (*drawn.support.samples, *drawn.validation.samples)}
    assert set(keys("train")) == set(LABELS) - labelled
    assert not labelled.isdisjoint(LABELS)
    held = task("train", held_out_shot=True)
    assert keys("train", held_out_shot=True) == keys("train"), "it has a label"
    assert len(held.validation) == len(held.support.classes)


def test_smaller_pools_of_a_seed_begin_larger_ones_and_another_seed_is_another_draw() -> None:
    assert keys("train:7") == keys("train:50")[:7] == keys("train")[:7]
    assert len(keys("train:7")) == 7
    support = task(None).support
    assert keys("train:50", seed=2) != keys("train:50")
    assert task("train:50").support == support, "the usual support"


def test_base_to_new_says_whether_images_of_new_classes_are_in_the_pool() -> None:
    base, new = few_shot_draws.class_halves(len(SPLITS.class_names))
    to_new = {"protocol": EvalProtocol.BASE_TO_NEW}
    assert {LABELS[key] for key in keys("train", **to_new)} == set(base)
    assert {LABELS[key] for key in keys("train+new", **to_new)} == {*base, *new}
    assert set(keys("train", **to_new)) < set(keys("train+new", **to_new))


def test_a_transductive_pool_has_all_test_images_and_no_other() -> None:
    test = {sample.key for sample in SPLITS.test}
    assert set(keys("transductive")) == set(keys("transductive", protocol=EvalProtocol.BASE_TO_NEW)) == test


def test_the_test_part_of_a_fold_is_no_training_image() -> None:
    fold = held_out.Fold.parse("fold=1/4,repeat=1,most=20")
    held = {sample.key for sample in task(None, fold=fold).evals[0].samples}
    assert held.isdisjoint(keys("train", fold=fold))
    assert set(keys("transductive", fold=fold)) == held


def test_labels_decide_neither_the_images_nor_their_order_and_are_not_kept() -> None:
    wrong = replace(SPLITS, train=tuple(replace(s, label=(s.label + 1) % INFO.num_classes) for s in SPLITS.train))
    pool = task("train:40", shots=0).pool
    assert pool == task("train:40", shots=0, splits=wrong).pool
    assert [*vars(pool)] == ["images", "keys"]
    assert pool is not None
    pairs = sum(LABELS[a] == LABELS[b] for a, b in zip(pool.keys, pool.keys[1:], strict=False))
    assert pairs < len(pool) / 4, "classes are mixed"


def test_a_pool_changes_the_fingerprint_and_its_absence_does_not() -> None:
    prints = [task(pool).fingerprint for pool in (None, "train", "train:40", "train:41", "transductive")]
    assert len(set(prints)) == len(prints)
    assert task(None).pool is None


def test_a_training_image_that_is_also_a_test_image_is_refused() -> None:
    twice = replace(SPLITS, test=(*SPLITS.test, replace(SPLITS.train[-1])))
    with pytest.raises(DataError, match="1 test images.* training images"):
        task("train", splits=twice)
    assert SPLITS.train[-1].key in keys("transductive", splits=twice)


def test_no_image_without_a_label_and_too_many_images_are_refused() -> None:
    with pytest.raises(ShotsError, match="unlabelled images for --unlabelled"):
        task("train", rule=SupportRule.parse("all"))
    n = len(keys("train"))
    with pytest.raises(ShotsError, match=rf"requests {n + 1} images, but .* has {n} .* Use at most train:{n}, or"):
        task(f"train:{n + 1}")
    assert len(keys(f"train:{n}")) == n


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("test", "method, which is transductive"),
        ("test:9", "shows the test images to the method"),
        ("transductive:9", r"is not understood\. Write none, train or train\+new"),
        ("val", r"is not understood\. Write none, train or train\+new"),
        ("train:-3", "'-3' is not a number of images"),
        ("train:0", "'0' is not a number of images"),
        ("train:", "'' is not a number of images"),
        ("train:1.5", "'1.5' is not a number of images"),
        ("train+new:many", "'many' is not a number of images"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        PoolRule.parse(text)


def test_a_rule_is_written_as_it_is_read() -> None:
    for text in ("train", "train:7", "train+new", "train+new:7", "transductive"):
        assert str(PoolRule.parse(text)) == text
    assert str(PoolRule.parse("train:007")) == "train:7"
