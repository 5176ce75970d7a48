"""Run ids never change: a spec keeps its id through every change of the code."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bench.spec import ExperimentSpec
from datasets_registry import EvalProtocol, TaskRequest, build_task, get_dataset

# Task fingerprints and run ids as they were first released.
RELEASED = {
    EvalProtocol.FEW_SHOT: ("510b7fb37aad5a9dace70ef55fff87e0", "11d71fa7306be211"),
    EvalProtocol.BASE_TO_NEW: ("891d9ce6dd36bbd80c599b6daeb3d4b6", "263a75d47a7b93ce"),
}


@pytest.mark.parametrize("protocol", RELEASED)
def test_a_released_question_keeps_its_fingerprint_and_its_run_id(protocol: EvalProtocol) -> None:
    info = get_dataset("spectrum_basic")
    task = build_task(TaskRequest(info, info.reader(None), protocol=protocol, shots=4, seed=1, draw="coop"))
    spec = ExperimentSpec(
        method="coop",
        config={"n_ctx": 16},
        recipe={"name": "published", "lr": 0.002},
        backbone="ViT-demo.drawn",
        dataset="spectrum_basic",
        task_fingerprint=task.fingerprint,
        draw="coop",
        protocol=protocol,
        shots=4,
        seed=1,
        precision="fp32",
    )
    assert (task.fingerprint, spec.run_id) == RELEASED[protocol]


def test_only_a_chosen_epoch_changes_the_id() -> None:
    spec = ExperimentSpec(
        method="coop",
        config={},
        recipe=None,
        backbone="ViT-demo.drawn",
        dataset="spectrum_basic",
        task_fingerprint="f",
        draw="coop",
        protocol=EvalProtocol.FEW_SHOT,
        shots=4,
        seed=1,
    )
    ways = (None, "validation", "oracle")
    assert len({spec.model_copy(update={"epoch_selection": way}).run_id for way in ways}) == 3
    assert spec.model_copy(update={"epoch_selection": None}).run_id == spec.run_id


def test_fewer_images_than_shots_change_the_id_and_leave_other_specs_as_they_were() -> None:
    fields = dict.fromkeys(("method", "backbone", "dataset", "task_fingerprint"), "x")
    spec = ExperimentSpec(**fields, config={}, recipe=None, draw="coop", protocol="few-shot", shots=16, seed=1)
    short = spec.model_copy(update={"allow_fewer": True})
    assert short.run_id != spec.run_id
    assert short.label() == "x on x, few-shot, up to 16 shots, seed 1"
    assert "allow_fewer" not in spec.model_dump_json(), "older releases read it"
    for one in (spec, short):
        assert ExperimentSpec.model_validate_json(one.model_dump_json()) == one


def test_a_pool_changes_the_id_and_leaves_other_specs_as_they_were() -> None:
    fields = dict.fromkeys(("method", "backbone", "dataset", "task_fingerprint"), "x")
    spec = ExperimentSpec(**fields, config={}, recipe=None, draw="coop", protocol="few-shot", shots=16, seed=1)
    pooled = [spec.model_copy(update={"unlabelled": pool}) for pool in ("train", "train:9", "transductive")]
    assert len({one.run_id for one in (spec, *pooled)}) == 4
    assert "unlabelled" not in spec.model_dump_json(), "older releases read it"
    for one in (spec, *pooled):
        assert ExperimentSpec.model_validate_json(one.model_dump_json()) == one
    for wrong in ("test", "train:0", "train:-1", "none", "transductive:9", "<b>"):
        with pytest.raises(ValidationError, match="unlabelled"):
            ExperimentSpec.model_validate(spec.model_dump() | {"unlabelled": wrong})


def test_a_teacher_changes_the_id_and_leaves_other_specs_as_they_were() -> None:
    fields = dict.fromkeys(("method", "backbone", "dataset", "task_fingerprint"), "x")
    spec = ExperimentSpec(**fields, config={}, recipe=None, draw="coop", protocol="few-shot", shots=16, seed=1)
    taught = [spec.model_copy(update={"teacher": f"coop@b.c#01234567:{digit * 32}"}) for digit in "01"]
    assert len({one.run_id for one in (spec, *taught)}) == 3
    assert "teacher" not in spec.model_dump_json(), "older releases read it"
    for one in (spec, *taught):
        assert ExperimentSpec.model_validate_json(one.model_dump_json()) == one
    for wrong in ("coop", "coop@b.c:" + "0" * 32, "coop@b.c#01234567:0", "<b>"):
        with pytest.raises(ValidationError, match="teacher"):
            ExperimentSpec.model_validate(spec.model_dump() | {"teacher": wrong})
