"""Held-out images: parts by hash, folds of the training part, and one image of each class."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from datasets_registry import (
    DataError,
    DatasetSplits,
    EvalProtocol,
    Sample,
    ShotsError,
    TaskRequest,
    build_task,
    get_dataset,
    held_out,
)
from datasets_registry._draws.held_out import hold_out_fold

INFO = get_dataset("spectrum_basic")
SPLITS = INFO.reader(None)


def task(fold: held_out.Fold | None, shots: int = 2):
    return build_task(
        TaskRequest(INFO, SPLITS, protocol=EvalProtocol.FEW_SHOT, shots=shots, seed=1, draw="coop", fold=fold)
    )


def test_every_labelled_image_is_held_out_once_and_never_trained_on_in_tasks_of_their_own() -> None:
    held = []
    for index in range(1, 5):
        found = task(held_out.Fold(index, 4, 1, 48))
        keys = {sample.key for sample in found.eval("all").samples}
        assert not keys & {sample.key for sample in found.support.samples}
        held += keys
    assert sorted(held) == sorted(sample.key for sample in SPLITS.train)
    assert not set(held) & {sample.key for sample in SPLITS.test}
    assert task(None).fingerprint != task(held_out.Fold(1, 4, 1, 48)).fingerprint
    assert len({task(held_out.Fold(i, 4, 1, 48)).fingerprint for i in range(1, 5)}) == 4


def test_repetitions_divide_the_same_images_differently() -> None:
    first, second = (task(held_out.Fold(1, 4, repeat, 10)).eval("all").samples for repeat in (1, 2))
    assert set(first) != set(second)
    used = {sample.key for sample in held_out.labelled_images(SPLITS, 10, dataset=INFO.name)}
    assert {sample.key for sample in (*first, *second)} <= used
    assert len(used) == 10 * len(SPLITS.class_names)


def test_shots_within_folds_are_always_available() -> None:
    shots = held_out.shots_within_folds(SPLITS, 4, 10, dataset=INFO.name, repeats=(1, 2))
    assert shots == 7
    for index in range(1, 5):
        assert len(task(held_out.Fold(index, 4, 1, 10), shots).support) == shots * len(SPLITS.class_names)


def grouped(sizes: dict[tuple[int, str], int]) -> DatasetSplits:
    """Training images of the numbers of each class and group."""
    samples = [Sample(f"{label}/{group}/{i}", label, group) for (label, group), n in sizes.items() for i in range(n)]
    return DatasetSplits(SPLITS.images, ("a", "b"), tuple(samples), (), ())


def all_held_out(splits: DatasetSplits, repeat: int = 1) -> list[DatasetSplits]:
    return [hold_out_fold(splits, held_out.Fold(index, 4, repeat, 200), dataset="toy") for index in range(1, 5)]


def test_folds_keep_groups_together_and_leave_every_class_images() -> None:
    sizes = {(label, f"{label}-{i}"): 1 + i % 5 for label in (0, 1) for i in range(12)}
    splits = grouped(sizes | {(0, "both"): 3, (1, "both"): 4})
    for repeat in (1, 2):
        found = all_held_out(splits, repeat)
        assert sorted(sample.key for one in found for sample in one.test) == sorted(s.key for s in splits.train)
        for one in found:
            assert not {s.group for s in one.train} & {s.group for s in one.test}
            assert 0.15 < len(one.test) / len(splits.train) < 0.35
        shots = held_out.shots_within_folds(splits, 4, 200, dataset="toy", repeats=(repeat,))
        assert shots == min(Counter(s.label for s in one.train)[label] for one in found for label in (0, 1))
    assert {s.key for s in all_held_out(splits)[0].test} != {s.key for s in all_held_out(splits, 2)[0].test}


def test_images_of_a_class_with_one_group_and_of_fewer_groups_than_folds_are_held_out_singly() -> None:
    one_group = grouped({(0, "alone"): 8} | {(1, f"g{i}"): 2 for i in range(8)})
    for one in all_held_out(one_group):
        assert {s.label for s in one.train} == {0, 1}
        assert not {s.group for s in one.train if s.label} & {s.group for s in one.test if s.label}
    two_groups = grouped({(label, f"{label}-{i}"): 4 for label in (0, 1) for i in (0,)})
    assert [len(one.test) for one in all_held_out(two_groups)] == [2, 2, 2, 2]


def test_a_class_with_one_image_cannot_be_divided() -> None:
    few = DatasetSplits(SPLITS.images, ("a", "b"), (Sample("x", 0), Sample("y", 0), Sample("z", 1)), (), ())
    with pytest.raises(DataError, match=r"images of class 'b' \(1 such\)"):
        held_out.labelled_images(few, 10, dataset="toy")


@pytest.mark.parametrize("text", ["", "1/4", "fold=5/4,repeat=1,most=48", "fold=1/1,repeat=1,most=48"])
def test_a_fold_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="write it as fold=1/4,repeat=1,most=48"):
        held_out.Fold.parse(text)


def test_the_last_shot_of_each_class_selects_instead_of_the_validation_images() -> None:
    plain = TaskRequest(INFO, SPLITS, EvalProtocol.FEW_SHOT, shots=3, seed=1, draw="coop")
    whole, held = (build_task(request) for request in (plain, replace(plain, held_out_shot=True)))
    last = {sample.label: sample for sample in whole.support.samples}
    assert held.validation.samples == tuple(last[label] for label in dict.fromkeys(whole.support.labels))
    assert held.support.samples == tuple(s for s in whole.support.samples if s != last[s.label])
    with pytest.raises(ShotsError, match="a single image: red_circle, "):
        build_task(replace(plain, shots=1, held_out_shot=True))


def test_shares_do_not_depend_on_list_order_and_give_the_stated_numbers() -> None:
    aid = (360, 310, 220, 400, 360, 260, 240, 350, 410, 300, 370, 250, 390, 280, 290, 340, 350, 390, 370, 420, 380, 260,
           290, 410, 300, 300, 330, 290, 360, 420)  # fmt: skip
    for name, sizes in {"aid": aid, "patternnet": (800,) * 38}.items():
        samples = [Sample(f"{label}/{i}", label) for label, n in enumerate(sizes) for i in range(n)]
        parts = held_out.split_by_hash(samples, name)
        assert [len(part) for part in parts] == [get_dataset(name).expected[part] for part in ("train", "val", "test")]
        assert list(map(set, held_out.split_by_hash(samples[::-1], name))) == list(map(set, parts))


def test_held_out_groups_are_as_many_in_each_class() -> None:
    samples = [Sample(f"{label}/{i}", label) for label in range(200) for i in range(30 if label < 194 else 29)]
    train, val = held_out.hold_out_validation(samples, "cub", groups=6)
    assert (len(train), len(val)) == (get_dataset("cub").expected["train"], get_dataset("cub").expected["val"])
    assert set(Counter(sample.label for sample in val).values()) == {6}
    assert set(train) | set(val) == set(samples)
