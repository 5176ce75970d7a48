"""Long-tailed, noisy and complete supports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from PIL import Image

from datasets_registry import (
    DataError,
    DatasetSplits,
    EvalProtocol,
    FewShotTask,
    Sample,
    ShotsError,
    SupportRule,
    TaskRequest,
    build_task,
    get_dataset,
    read_support_list,
    support_manifest,
)

NAMES = tuple(f"class {label}" for label in range(10))


def balanced(shots: int) -> tuple[Sample, ...]:
    return tuple(Sample(f"{label}/{i}", label) for label in range(len(NAMES)) for i in range(shots))


class NoImages:
    """Images that are never decoded."""

    def load(self, key: str) -> Image.Image:
        raise AssertionError(key)

    def digest(self, key: str) -> str:
        return key


def changed(text: str, shots: int, seed: int = 1, names: Sequence[str] = NAMES, **options) -> tuple[Sample, ...]:
    """The support after a rule, of ten classes with exactly `shots` images, ordered by key."""
    info = replace(get_dataset("spectrum_blur"), name="toy")
    train = tuple(sample for sample in balanced(shots) if sample.label < len(names))
    splits = DatasetSplits(NoImages(), tuple(names), train, (), train[::shots])
    axes = {"protocol": EvalProtocol.FEW_SHOT, "shots": shots, "seed": seed, "draw": "nested"} | options
    samples = build_task(TaskRequest(info, splits, rule=SupportRule.parse(text), **axes)).support.samples
    return sorted_by_key(samples)


def sorted_by_key(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    return tuple(sorted(samples, key=lambda sample: sample.key))


def task(rule: str | None, **options) -> FewShotTask:
    info = get_dataset("spectrum_blur")
    axes = {"protocol": EvalProtocol.FEW_SHOT, "shots": 8, "seed": 1, "draw": "coop"} | options
    return build_task(TaskRequest(info, info.reader(None), rule=rule and SupportRule.parse(rule), **axes))


def test_a_rule_is_read_as_it_is_written() -> None:
    for text in ("imbalanced:10", "noisy:0.25", "all"):
        assert str(SupportRule.parse(text)) == text


@pytest.mark.parametrize("text", ["imbalanced:1", "imbalanced:", "imbalanced:inf", "noisy:0", "noisy:1", "noisy"])
def test_an_impossible_amount_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=rf"--support '{text}' .*understood. Write imbalanced:FACTOR"):
        SupportRule.parse(text)


def test_class_sizes_follow_the_exponential_profile_and_the_last_class_keeps_an_image() -> None:
    sizes = sorted(Counter(s.label for s in changed("imbalanced:10", 100)).values(), reverse=True)
    assert sizes == [100, 77, 59, 46, 35, 27, 21, 16, 12, 10]  # int(100 * 0.1 ** (k / 9)), as kaidic/LDAM-DRW counts
    for shots in range(2, 60):  # 49 * (1 / 49) is below 1 in floating point
        assert min(Counter(s.label for s in changed(f"imbalanced:{shots}", shots)).values()) == 1


@pytest.mark.parametrize(("rate", "wrong"), [(0.25, 40), (0.1, 16), (0.5, 80), (0.01, 2)])
def test_noise_changes_that_share_of_labels_evenly_over_classes(rate: float, wrong: int) -> None:
    clean, noisy = sorted_by_key(balanced(16)), changed(f"noisy:{rate}", 16)
    assert [s.key for s in noisy] == [s.key for s in clean]
    lost = Counter(before.label for before, after in zip(clean, noisy, strict=True) if before.label != after.label)
    assert sum(lost.values()) == wrong
    assert max(lost.values()) - min(lost[label] for label in range(10)) <= 1


def test_wrong_labels_are_uniform_over_the_other_classes() -> None:
    found: Counter[tuple[int, int]] = Counter()
    clean = sorted_by_key(balanced(16))
    for seed in range(60):
        found.update((b.label, a.label) for b, a in zip(clean, changed("noisy:0.5", 16, seed), strict=True))
    off = [found[true, given] for true in range(10) for given in range(10) if true != given]
    expected = 60 * 8 / 9
    chi2 = sum((count - expected) ** 2 / expected for count in off)
    assert chi2 < 130  # 90 cells, 80 degrees of freedom: the 99.9 % point is 124.8


def test_what_leaves_a_class_empty_has_no_effect_or_has_one_class_is_refused() -> None:
    for rule, shots, message in (
        ("imbalanced:17", 16, "imbalanced:17 with 16 shots leaves 1"),
        ("noisy:0.01", 1, "changes no label of 10"),
        ("noisy:0.9", 1, "without an image, such"),
    ):
        with pytest.raises(ShotsError, match=message):
            changed(rule, shots)
    with pytest.raises(ShotsError, match="least two.* 'toy' has 1"):
        changed("noisy:0.5", 2, names=NAMES[:2], protocol=EvalProtocol.BASE_TO_NEW)


def test_a_task_records_its_rule_and_changed_labels_and_leaves_other_images_alone() -> None:
    plain, noisy = task(None), task("noisy:0.25")
    truth = dict(zip([s.key for s in plain.support.samples], plain.support.labels, strict=True))
    assert len(noisy.relabelled) == round(0.25 * len(truth))
    assert {s.key: noisy.relabelled.get(s.key, s.label) for s in noisy.support.samples} == truth
    assert (noisy.validation, noisy.evals) == (plain.validation, plain.evals)
    assert (plain.rule, noisy.rule) == (None, "noisy:0.25")
    rules = (None, "noisy:0.25", "noisy:0.5", "imbalanced:2", "imbalanced:4", "all")
    assert len({task(rule).fingerprint for rule in rules}) == len(rules)


def test_base_to_new_applies_a_rule_to_the_base_classes() -> None:
    info = get_dataset("spectrum_blur")
    for draw in ("coop", "nested"):
        tail = task("imbalanced:8", protocol=EvalProtocol.BASE_TO_NEW, draw=draw)
        sizes = Counter(tail.support.labels)
        assert len(tail.support.classes) == info.num_classes // 2
        assert (max(sizes.values()), min(sizes.values())) == (8, 1)


def test_all_takes_every_training_image_and_the_mean_is_its_number_of_shots() -> None:
    info = get_dataset("spectrum_blur")
    splits = info.reader(None)
    every = task("all")
    by_class = sorted(splits.train, key=lambda sample: sample.label)
    assert [s.key for s in every.support.samples] == [s.key for s in by_class], "nothing is drawn"
    assert (every.shots, every.short) == (len(splits.train) // info.num_classes, {})


def test_a_noisy_list_can_be_published_and_read_again(tmp_path) -> None:
    noisy = task("noisy:0.25")
    path = tmp_path / "noisy.json"
    path.write_text(json.dumps(support_manifest(noisy)))
    listed = read_support_list(path)
    again = task(None, draw="file", support_list=listed)
    assert again.support == noisy.support
    assert again.relabelled == noisy.relabelled
    content = json.loads(path.read_text())
    assert content["support_rule"] == "noisy:0.25"
    with pytest.raises(DataError, match="a base class of 'spectrum_blur'"):
        task(None, draw="file", support_list=listed, protocol=EvalProtocol.BASE_TO_NEW)
    path.write_text(json.dumps({**content, "true_labels": {}}))
    with pytest.raises(DataError, match="list uses other labels"):
        task(None, draw="file", support_list=read_support_list(path))
    path.write_text(json.dumps({**content, "true_labels": [1]}))
    with pytest.raises(DataError, match="'true_labels' must map keys"):
        read_support_list(path)
