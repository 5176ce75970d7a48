"""`--teacher`: which runs have one, what a run records of it, its boards, and what is refused before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file
from teachers import STUDENT, student_request, student_specs, teacher_file
from tiny_runs import BACKBONE, DATASET
from torch import ones
from typer.testing import CliRunner

from bench.cli.app import app
from bench.errors import ImpossibleCombinationError, UsageError
from bench.experiment.model_file import ModelFileError
from bench.experiment.runner import run_experiment
from bench.results.shards import Shards
from bench.spec import ExperimentSpec, teacher_parts
from bench.sweep import outline_of
from bench.sweep.driver import context_of


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


def test_workers_get_the_path_by_its_digest(tmp_path: Path) -> None:
    file = teacher_file(tmp_path)
    (spec,) = student_specs(file)
    assert spec.teacher is not None
    assert context_of(student_request(file), tasks=1).files == {teacher_parts(spec.teacher)[1]: file}


def test_a_run_is_verified_with_its_teacher(tmp_path: Path) -> None:
    file, runs = teacher_file(tmp_path), tmp_path / "runs"
    (spec,) = student_specs(file)
    Shards(runs).write(*run_experiment(spec, context_of(student_request(file), tasks=1)))
    command = ["runs", "verify", spec.run_id, "--runs", str(runs)]
    assert "again with --teacher" in str(CliRunner().invoke(app, command).exception)
    assert CliRunner().invoke(app, [*command, "--teacher", str(file)]).exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": "coop", "unlabelled": "none"}, r"--teacher .* has no effect: .* These methods do: promptkd\."),
        ({"methods": "ss_text_u", "protocol": "few-shot", "unlabelled": "train"}, "has no effect"),
    ],
)
def test_a_teacher_that_nothing_learns_from_is_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        student_specs(teacher_file(tmp_path), **{"overrides": []} | options)


def test_a_file_that_is_no_kept_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is no model file"):
        student_specs(tmp_path / "missing.safetensors")
    save_file({"a": ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelFileError, match="not a tuned model"):
        student_specs(tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no model")
    with pytest.raises(ModelFileError, match="is damaged"):
        student_specs(tmp_path / "text.safetensors")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"datasets": "spectrum_blur:test=5"},
            f"was trained on {DATASET} in base-to-new, and the run is on spectrum_b",
        ),
        ({"protocol": "few-shot", "unlabelled": "train:9"}, "in base-to-new, and the run is on .* in few-shot; give a"),
        ({"shots": 1}, "2 shots, and the run has 1 shot"),
        ({"support": "noisy:0.5"}, r"2 shots, and the run has 2 shots of noisy:0\.5"),
        ({"unlabelled": "none"}, "it learns from unlabelled images"),
        ({"class_text": "template:a {}."}, "those of its teacher"),
        (
            {"protocol": "cross-dataset", "targets": "spectrum_words", "unlabelled": "train"},
            "cross-dataset would be a training for each",
        ),
    ],
)
def test_a_run_that_cannot_have_the_teacher_is_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ImpossibleCombinationError, match=message):
        student_specs(teacher_file(tmp_path), **options)


def test_a_method_that_needs_a_teacher_is_refused_without_one() -> None:
    with pytest.raises(ImpossibleCombinationError, match="learns from a tuned model"):
        student_specs(None)


@pytest.mark.parametrize("wrapper", ["wise_ft_on", "apex_on", "tcpt_on", "dept_on", "atprompt_on"])
def test_no_method_wraps_one_that_needs_a_teacher(wrapper: str) -> None:
    with pytest.raises(Exception, match=f"{wrapper} cannot wrap 'promptkd', which "):
        student_specs(None, methods=f"{wrapper}:promptkd", overrides=[], unlabelled=STUDENT["unlabelled"])


def test_a_model_that_cannot_teach_is_refused_at_planning(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="a model of cocoop"):
        student_specs(teacher_file(tmp_path, method="cocoop"))
