"""The teacher of a run, and the training on the pool: what a method gets of both, and what it cannot get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from teachers import student_request, student_specs, teacher_file
from tiny_runs import BACKBONE, outcome

from bench.context import RunContext
from bench.errors import StaleSpecError
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.kept_models import restored_method
from bench.experiment.model_file import ModelFileError, read_model, write_model
from bench.experiment.runner import Run, run_and_keep, run_experiment
from bench.experiment.task import load_task
from bench.experiment.teacher import load_teacher, read_teacher, trained_classes
from bench.record import Predictions, RunRecord
from bench.spec import ExperimentSpec
from bench.sweep import named_files
from datasets_registry import BenchError, ClassSet
from methods import Recipe

Kept = tuple[RunRecord, list[Predictions], bytes]
FEW_SHOT = {"protocol": "few-shot", "unlabelled": "train:12"}


def planned(teacher: Path, **options: Any) -> tuple[ExperimentSpec, RunContext]:
    (spec,) = student_specs(teacher, **options)
    return spec, RunContext(files=named_files(student_request(teacher, **options)))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return teacher_file(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def student(teacher: Path) -> Kept:
    """The run of a student of that teacher, and its kept model."""
    return run_and_keep(*planned(teacher))


def test_the_teacher_gives_the_features_of_its_own_tower_and_texts(teacher: Path) -> None:
    spec, context = planned(teacher)
    task, inputs = load_task(spec, context), shared_inputs(BACKBONE, context)
    loaded = load_teacher(spec, context, task, inputs)
    info, tensors = read_model(teacher)
    method, classes = restored_method(info, tensors, inputs.backbone), ClassSet(("tree", "house"), "a photo of a {}.")
    pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        prompts = list(method.trainable.visual_prompts.layers)
        assert torch.equal(loaded.image_features(pixels), inputs.backbone.encode_image(pixels, prompts=prompts))
        assert torch.equal(loaded.text_features(classes), method.text_features(classes))
    assert not loaded.image_features(pixels).requires_grad
    assert not loaded.text_features(classes).requires_grad
    assert loaded.logit_scale == inputs.backbone.logit_scale


@pytest.mark.parametrize(("pool", "both"), [("train", False), ("train+new:9", True), ("transductive", True)])
def test_the_teacher_compares_the_classes_whose_images_are_shown(pool: str, both: bool, teacher: Path) -> None:
    spec, context = planned(teacher, unlabelled=pool)
    task = load_task(spec, context)
    base, new = (part.classes.names for part in task.evals)
    assert trained_classes(spec, task).names == ((*base, *new) if both else base)


def test_training_shows_the_images_of_pool_and_support_without_labels(teacher: Path) -> None:
    spec, context = planned(teacher)
    run = Run(spec, context)
    assert [sample.key for sample in run.images.samples] == [
        *run.task.pool.keys, *(sample.key for sample in run.task.support.samples),
    ]  # fmt: skip
    assert {sample.label for sample in run.images.samples} == {-1}
    view = run.support_view(run.task.support, run.task.pool)
    assert len(view.labels) == len(run.task.support), "labels of the support"


def test_other_labels_and_another_order_of_classes_change_nothing_in_training(
    teacher: Path, student: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The student of a run whose support labels are reversed is the same, bit for bit."""
    given = Run.support_view

    def reversed_labels(self: Run, *args: Any) -> Any:
        view = given(self, *args)
        object.__setattr__(view, "labels", view.labels.flip(0))
        return view

    monkeypatch.setattr(Run, "support_view", reversed_labels)
    assert outcome(run_experiment(*planned(teacher))) == outcome(student[:2])


def test_steps_and_costs_count_the_images_that_are_shown(teacher: Path, student: Kept) -> None:
    spec, context = planned(teacher)
    record = student[0]
    shown, recipe = 12 + len(load_task(spec, context).support), Recipe.model_validate(spec.recipe)
    assert record.cost.steps == 2 * (shown // recipe.batch_size)
    assert record.cost.prompted_image_passes < 3 * 2 * shown + 2 * 2 * 60, "teacher passes not counted"
    assert record.provenance.unlabelled_images == 12


def test_training_resumes_from_a_checkpoint(teacher: Path, student: Kept, tmp_path: Path, cut_off: Any) -> None:
    spec, context = planned(teacher)
    with_checkpoints = context.model_copy(update={"checkpoints": tmp_path, "checkpoint_seconds": 0})
    cut_off(spec, with_checkpoints, 1)
    assert list(tmp_path.glob("*.safetensors"))
    assert outcome(run_experiment(spec, with_checkpoints)) == outcome(student[:2])


def test_a_kept_student_classifies_its_training_classes_and_refuses_others(student: Kept, tmp_path: Path) -> None:
    write_model(tmp_path / "student.safetensors", student[2])
    info, tensors = read_model(tmp_path / "student.safetensors")
    method = restored_method(info, tensors, shared_inputs(BACKBONE, RunContext()).backbone)
    assert method.classifier(info.classes.class_set)
    with pytest.raises(BenchError, match="classifies its training classes"):
        method.classifier(ClassSet(("tree", "house"), "a photo of a {}."))


def test_a_run_without_the_file_or_with_a_changed_one_is_stale(tmp_path: Path) -> None:
    spec, context = planned(teacher_file(tmp_path))
    with pytest.raises(StaleSpecError, match=r"teacher promptsrc@ViT-tiny\.random#.*again with --teacher"):
        run_experiment(spec, RunContext())
    teacher_file(tmp_path, seed=2)
    with pytest.raises(StaleSpecError, match="changed since this run"):
        run_experiment(spec, context)


def test_a_teacher_without_one_pair_of_features_is_refused(tmp_path: Path) -> None:
    teacher = teacher_file(tmp_path, "tip_adapter_f", protocol="few-shot")
    with pytest.raises(ModelFileError, match="tip_adapter_f, whose logits"):
        planned(teacher, **FEW_SHOT)


def test_a_teacher_of_other_images_is_refused(teacher: Path) -> None:
    spec, context = planned(teacher, backbones="ViT-demo.drawn")
    with pytest.raises(ModelFileError, match="32 pixels wide.*48 pixels wide"):
        run_experiment(spec, context)


def test_the_kind_of_a_teacher_does_not_depend_on_dataset_and_seed(tmp_path: Path) -> None:
    first, other = (read_teacher(teacher_file(tmp_path, seed=seed, name=str(seed))) for seed in (1, 2))
    kinds = [one.identity.rpartition(":")[0] for one in (first, other)]
    assert kinds[0] == kinds[1]
    assert first.identity != other.identity
    elsewhere = first.info.model_copy(update={"spec": first.info.spec.model_copy(update={"dataset": "dtd"})})
    assert type(first)(first.path, first.digest, elsewhere).identity == first.identity
    shots = first.info.model_copy(update={"spec": first.info.spec.model_copy(update={"shots": 1})})
    assert type(first)(first.path, first.digest, shots).identity.rpartition(":")[0] != kinds[0]


def test_a_teacher_of_other_classes_does_not_fit(teacher: Path) -> None:
    stored = read_teacher(teacher)
    own = stored.info.classes.names
    assert stored.task_conflict(own, 2, None) is None
    assert "has 12 classes" in (stored.task_conflict(("tree", "house"), 2, None) or "")
    assert "not the 12 training classes" in (stored.task_conflict(own[::-1], 2, None) or "")
