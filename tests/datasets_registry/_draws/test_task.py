from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_registry import (
    DataError,
    DatasetInfo,
    DatasetSplits,
    EvalProtocol,
    FewShotTask,
    Sample,
    ShotsError,
    TaskRequest,
    build_task,
    eval_fingerprint,
    few_shot_draws,
    held_out,
)


class NamedImages:
    """An image source whose images consist only of their key."""

    def __init__(self, changed: str = "") -> None:
        self.changed = changed

    def load(self, key: str):
        raise AssertionError("building a task decodes no image")

    def digest(self, key: str) -> str:
        return f"digest of {key}" + (" after a change" if key == self.changed else "")


def unread(_: Path | None) -> DatasetSplits:
    raise AssertionError("the splits are given")


INFO = DatasetInfo(
    name="toy", title="Toy", summary="", domain="", num_classes=9, template="a photo of a {}.", licence="",
    homepage="", citation="", reader=unread,
)  # fmt: skip


def toy_splits(n_classes: int = 5, *, train: int = 8, images: NamedImages | None = None) -> DatasetSplits:
    def part(name: str, n: int) -> tuple[Sample, ...]:
        return tuple(Sample(f"{name}/{label}_{i}", label) for i in range(n) for label in range(n_classes))

    names = tuple(f"class {i}" for i in range(n_classes))
    return DatasetSplits(images or NamedImages(), names, part("train", train), part("val", 5), part("test", 3))


def build(splits: DatasetSplits | None = None, info: DatasetInfo = INFO, **changes: object) -> FewShotTask:
    options = {"protocol": EvalProtocol.FEW_SHOT, "shots": 2, "seed": 1, "draw": "coop"} | changes
    return build_task(TaskRequest(info, splits or toy_splits(), **options))


def test_few_shot_trains_and_evaluates_all_classes():
    task = build()
    assert len(task.support) == 10
    assert len(task.validation) == 10
    assert [(split.name, len(split), len(split.classes)) for split in task.evals] == [("all", 15, 5)]
    assert task.support.classes == task.eval("all").classes
    assert task.support.classes.texts()[0] == "a photo of a class 0."


def test_each_rule_draws_its_own_images():
    splits = toy_splits()
    names = splits.class_names
    both, options = (splits.train, splits.val), {"shots": 2, "seed": 1, "class_names": names}
    wanted = {
        "coop": few_shot_draws.draw_coop(*both, **options),
        "nested": few_shot_draws.draw_nested(*both, dataset="toy", **options),
    }
    for rule, drawn in wanted.items():
        task = build(splits, draw=rule)
        assert (task.support.samples, task.validation.samples) == (drawn.train, drawn.val)
    assert wanted["coop"] != wanted["nested"]


def test_base_to_new_evaluates_each_half_on_its_own_classes_numbered_from_zero():
    task = build(protocol=EvalProtocol.BASE_TO_NEW)
    assert task.support.classes.names == task.eval("base").classes.names == ("class 0", "class 1", "class 2")
    assert task.eval("new").classes.names == ("class 3", "class 4")
    assert set(task.support.labels) == {0, 1, 2}
    assert {sample.label for sample in task.eval("new").samples} == {0, 1}
    assert all(int(s.key[len("test/")]) == s.label + 3 for s in task.eval("new").samples)


@given(st.sampled_from(["coop", "nested"]), st.integers(2, 9), st.integers(0, 99))
@settings(max_examples=30)
def test_the_base_run_has_exactly_the_few_shot_runs_images_of_its_classes(draw, n_classes, seed):
    splits = toy_splits(n_classes)
    few_shot = build(splits, draw=draw, seed=seed)
    b2n = build(splits, draw=draw, seed=seed, protocol=EvalProtocol.BASE_TO_NEW)
    n_base = (n_classes + 1) // 2
    assert b2n.support.samples == tuple(s for s in few_shot.support.samples if s.label < n_base)
    assert b2n.validation.samples == tuple(s for s in few_shot.validation.samples if s.label < n_base)
    scored = [s.key for split in b2n.evals for s in split.samples]
    assert sorted(scored) == sorted(s.key for s in few_shot.eval("all").samples)
    assert b2n.eval("base").classes.names + b2n.eval("new").classes.names == splits.class_names


@pytest.mark.parametrize("protocol", [EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW])
def test_zero_shots_leave_an_empty_support_set_with_its_classes(protocol):
    task = build(shots=0, protocol=protocol)
    assert task.support.samples == task.validation.samples == ()
    assert task.support.classes == task.evals[0].classes
    assert build(shots=0, protocol=protocol, seed=2).fingerprint == task.fingerprint


class TestFingerprint:
    @pytest.mark.parametrize(
        "changes",
        [
            {"seed": 2},
            {"shots": 4},
            {"draw": "nested"},
            {"protocol": EvalProtocol.BASE_TO_NEW},
            {"info": replace(INFO, name="other")},
            {"info": replace(INFO, template="{} texture.")},
        ],
        ids=["seed", "shots", "draw", "protocol", "name", "template"],
    )
    def test_it_changes_with_the_task_alone(self, changes):
        assert build(**changes).fingerprint != build().fingerprint == build().fingerprint

    def test_it_changes_with_a_support_image_but_not_with_one_that_was_not_drawn(self):
        task = build()
        seen, drawn = task.support.samples[0].key, {s.key for s in task.support.samples}
        unseen = next(s.key for s in toy_splits().train if s.key not in drawn)
        assert build(toy_splits(images=NamedImages(changed=seen))).fingerprint != task.fingerprint
        assert build(toy_splits(images=NamedImages(changed=unseen))).fingerprint == task.fingerprint

    def test_it_changes_with_a_class_name_and_with_the_test_list(self):
        splits = toy_splits()
        renamed = replace(splits, class_names=("klass 0", *splits.class_names[1:]))
        assert build(renamed).fingerprint != build().fingerprint
        assert build(replace(splits, test=splits.test[1:])).fingerprint != build().fingerprint

    def test_the_evaluation_fingerprint_does_not_depend_on_training(self):
        splits = toy_splits()
        whole = eval_fingerprint(splits, INFO)
        assert eval_fingerprint(replace(splits, train=splits.train[3:], val=()), INFO) == whole
        assert eval_fingerprint(replace(splits, test=splits.test[1:]), INFO) != whole
        assert eval_fingerprint(splits, replace(INFO, template="{} texture.")) != whole
        assert eval_fingerprint(replace(splits, class_names=splits.class_names[::-1]), INFO) != whole


class TestRefusals:
    @pytest.mark.parametrize("protocol", [EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW])
    def test_a_single_class_is_rejected(self, protocol):
        with pytest.raises(DataError, match=rf"'toy' has too few classes: {protocol} needs at least 2, but it has 1"):
            build(toy_splits(1), protocol=protocol)

    def test_more_classes_than_the_file_of_the_dataset_says(self):
        with pytest.raises(DataError, match="'toy' has 10 classes, but its file says num_classes=9"):
            build(toy_splits(10))

    def test_more_shots_than_a_class_has(self):
        with pytest.raises(ShotsError, match="16 shots were requested.*'class 0'"):
            build(shots=16)

    def test_no_test_images(self):
        splits = toy_splits()
        only_base = replace(splits, test=tuple(s for s in splits.test if s.label < 3))
        with pytest.raises(DataError, match="classes 'class 3', 'class 4', so"):
            build(only_base, protocol=EvalProtocol.BASE_TO_NEW)


class TestTargets:
    @pytest.fixture
    def other(self) -> tuple[DatasetInfo, DatasetSplits]:
        return replace(INFO, name="other", template="an image of {}."), toy_splits(3)

    def test_each_target_is_a_split_over_all_its_classes_in_its_own_template(self, other):
        task = build(protocol=EvalProtocol.CROSS_DATASET, targets=[other])
        assert [split.name for split in task.evals] == ["all", "other"]
        scored = task.eval("other")
        assert (len(scored), len(scored.classes), scored.classes.template) == (9, 3, "an image of {}.")
        assert task.support.samples == build().support.samples

    def test_targets_and_their_templates_are_in_the_fingerprint(self, other):
        info, splits = other
        again = (replace(info, template="a photo of a {}."), splits)
        prints = {
            build(protocol=EvalProtocol.CROSS_DATASET, targets=targets).fingerprint
            for targets in ([other], [again], [other, (replace(info, name="third"), splits)])
        }
        assert len(prints) == 3

    def test_targets_are_required_by_transfer_protocols_and_rejected_by_others(self, other):
        with pytest.raises(DataError, match="1 were given; see --targets"):
            build(targets=[other])
        with pytest.raises(DataError, match="one target dataset, but 0"):
            build(protocol=EvalProtocol.CROSS_DATASET)

    def test_domain_generalization_rejects_classes_that_the_source_lacks(self, other):
        info, _ = other
        assert build(protocol=EvalProtocol.DOMAIN_GENERALIZATION, targets=[other])
        with pytest.raises(DataError, match=r"'class 5' \(1 such\).* source 'toy'"):
            build(protocol=EvalProtocol.DOMAIN_GENERALIZATION, targets=[(info, toy_splits(6))])


def test_tasks_that_share_parts_are_those_built_alone():
    images = NamedImages()
    splits, target = toy_splits(train=12, images=images), (replace(INFO, name="other"), toy_splits(images=images))
    for protocol, targets in ((EvalProtocol.BASE_TO_NEW, ()), (EvalProtocol.CROSS_DATASET, (target,))):
        shared = few_shot_draws.SharedParts()
        for fold in (None, held_out.Fold(1, 3, 1, 8), held_out.Fold(2, 3, 1, 8)):
            for seed in (1, 2):
                changes = {"protocol": protocol, "targets": targets, "fold": fold, "seed": seed, "shots": 2}
                request = TaskRequest(INFO, splits, draw="coop", **changes)
                assert build_task(request, shared) == build_task(request)
        assert len(shared.evaluations) == 3
