"""Unlabelled images and teachers: which runs have them, what is recorded of them, and what is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from one_case import for_each
from safetensors.torch import save_file
from teachers import STUDENT, student_request, student_specs, teacher_file
from tiny_runs import BACKBONE, DATASET
from typer.testing import CliRunner

from bench.cli.app import app
from bench.context import RunContext
from bench.errors import ImpossibleCombinationError, UsageError
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.model_file import ModelFileError
from bench.experiment.runner import run_experiment
from bench.experiment.task import load_task
from bench.results.shards import Shards
from bench.spec import ExperimentSpec, teacher_parts
from bench.sweep import SweepRequest, expand, outline_of
from bench.sweep.driver import context_of
from datasets_registry import Sample
from methods import SupportView, UndeclaredNeedError

AXES = {
    "methods": "ss_text_u,ss_text,zero_shot", "datasets": "spectrum_blur:test=5", "backbones": "ViT-tiny.random",
    "protocol": "few-shot", "shots": 2, "seeds": "1,",
}  # fmt: skip


def request(**options: Any) -> SweepRequest:
    return SweepRequest.build(**(AXES | options))


def plan(**options: Any) -> tuple[ExperimentSpec, ...]:
    return expand(request(**options)).specs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    shards = Shards(folder)
    for pool in ("train:30", "transductive"):
        for spec in plan(unlabelled=pool):
            shards.write(*run_experiment(spec, RunContext()))
    return folder


def test_only_methods_that_need_the_pool_see_it() -> None:
    pooled, plain, zero_shot = plan(unlabelled="train:30")
    assert (pooled.unlabelled, plain.unlabelled, zero_shot.unlabelled) == ("train:30", None, None)
    assert [plain, zero_shot] == list(plan(methods="ss_text,zero_shot"))
    assert "2 shots, unlabelled train:30, seed 1" in pooled.label()
    assert [spec.unlabelled for spec in outline_of(request(unlabelled="train:30")).specs] == ["train:30", None, None]
    assert ExperimentSpec.model_validate_json(pooled.model_dump_json()) == pooled
    assert len(load_task(pooled, RunContext()).pool or ()) == 30


def test_a_record_states_the_pool(runs: Path) -> None:
    shards = Shards(runs)
    records = [record for run_id in shards.scan() if (record := shards.record(run_id)) is not None]
    found = {record.spec.unlabelled: record.provenance for record in records}
    assert {pool: made.unlabelled_images for pool, made in found.items()} == {
        "train:30": 30, "transductive": 5 * 12, None: 0,
    }  # fmt: skip
    digests = {made.unlabelled_digest for made in found.values()}
    assert len(digests) == 3
    assert "unlabelled_digest" not in found[None].model_dump_json()


def test_the_method_gets_features_and_nothing_else_of_the_pool() -> None:
    (spec,) = plan(methods="ss_text_u", unlabelled="train:30")
    task, inputs = load_task(spec, RunContext()), shared_inputs(spec.backbone, RunContext())
    view = inputs.support_view(task.support, shots=2, seed=1, pool=task.pool)
    features = view.unlabelled()
    assert features.shape == (30, inputs.backbone.embed_dim)
    assert isinstance(view.unlabelled, partial)
    samples = [one for part in view.unlabelled.args if isinstance(part, list) for one in part]
    assert len(samples) == 30
    assert {sample.label for sample in samples if isinstance(sample, Sample)} == {-1}


def test_a_method_without_the_need_gets_no_pool() -> None:
    classes = load_task(plan(methods="ss_text")[0], RunContext()).support.classes
    labels = torch.zeros(1, dtype=torch.long)
    view = SupportView(classes, labels, 1, lambda: torch.ones(1, 4), lambda k, _: torch.ones(k, 1, 4))
    with pytest.raises(UndeclaredNeedError, match=r"Add unlabelled to info\.needs"):
        view.unlabelled()


@for_each(
    ("options", "error", "message"),
    [
        ({"unlabelled": "test"}, UsageError, "Declare this with --unlabelled transductive"),
        ({"unlabelled": "train:-1"}, UsageError, "'-1' is not a number of images"),
        ({"unlabelled": "images"}, UsageError, r"'images' is not understood\. Write none, train or train\+new"),
        (
            {"unlabelled": "train:99999"},
            ImpossibleCombinationError,
            r"99999 images, but dataset .* \d+ unlabelled im",
        ),
        ({"unlabelled": "train", "shots": "all"}, ImpossibleCombinationError, "no unlabelled images for --unlabelled"),
    ],
)
def test_a_pool_that_cannot_be_is_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plan(methods="ss_text_u", **options)


# --- teachers ---------------------------------------------------------------------------------------------------------


def test_only_methods_that_need_the_teacher_have_it(tmp_path: Path) -> None:
    file = teacher_file(tmp_path)
    student, coop, zero_shot = student_specs(file, methods="promptkd,coop,zero_shot")
    assert student.teacher is not None
    assert (coop.teacher, zero_shot.teacher) == (None, None)
    assert "teacher" not in coop.model_dump_json()
    assert ExperimentSpec.model_validate_json(student.model_dump_json()) == student
    kind = teacher_parts(student.teacher)[0]
    assert kind.startswith(f"promptsrc@{BACKBONE}#")
    assert student.label().endswith(f"2 shots, unlabelled train+new:12, teacher {kind}, seed 1")
    assert [spec.teacher for spec in outline_of(student_request(file)).specs] == [student.teacher]


def test_the_content_of_the_file_decides_the_run_id_and_its_place_does_not(tmp_path: Path) -> None:
    (first,), (moved,), (other,) = (
        student_specs(teacher_file(tmp_path, name=name, seed=seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first.run_id == moved.run_id != other.run_id


def test_a_run_gets_the_path_by_its_digest_and_is_verified_with_its_teacher(tmp_path: Path) -> None:
    file, runs = teacher_file(tmp_path), tmp_path / "runs"
    (spec,) = student_specs(file)
    assert spec.teacher is not None
    context = context_of(student_request(file), tasks=1)
    assert context.files == {teacher_parts(spec.teacher)[1]: file}
    Shards(runs).write(*run_experiment(spec, context))
    command = ["runs", "verify", spec.run_id, "--runs", str(runs)]
    assert "again with --teacher" in str(CliRunner().invoke(app, command).exception)
    assert CliRunner().invoke(app, [*command, "--teacher", str(file)]).exit_code == 0


def test_a_file_that_is_no_kept_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is no model file"):
        student_specs(tmp_path / "missing.safetensors")
    save_file({"a": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelFileError, match="not a tuned model"):
        student_specs(tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no model")
    with pytest.raises(ModelFileError, match="is damaged"):
        student_specs(tmp_path / "text.safetensors")


@for_each(
    ("options", "message"),
    [
        ({"datasets": "spectrum_blur:test=5"}, f"on {DATASET} in base-to-new, and the run is on spectrum_b"),
        ({"protocol": "few-shot", "unlabelled": "train:9"}, "in base-to-new, and the run is on .* in few-shot; give a"),
        ({"shots": 1}, "2 shots, and the run has 1 shot"),
        ({"support": "noisy:0.5"}, r"2 shots, and the run has 2 shots of noisy:0\.5"),
    ],
)
def test_a_run_that_cannot_have_the_teacher_is_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ImpossibleCombinationError, match=message):
        student_specs(teacher_file(tmp_path), **options)


@for_each("wrapper", ["wise_ft_on", "apex_on", "tcpt_on", "dept_on", "atprompt_on"])
def test_no_method_wraps_one_that_needs_a_teacher(wrapper: str) -> None:
    with pytest.raises(Exception, match=f"{wrapper} cannot wrap 'promptkd', which "):
        student_specs(None, methods=f"{wrapper}:promptkd", overrides=[], unlabelled=STUDENT["unlabelled"])


def test_a_model_that_cannot_teach_is_refused_at_planning(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="a model of cocoop"):
        student_specs(teacher_file(tmp_path, method="cocoop"))
