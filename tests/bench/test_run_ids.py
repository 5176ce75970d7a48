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


def plain(**changes: object) -> ExperimentSpec:
    fields = dict.fromkeys(("method", "backbone", "dataset", "task_fingerprint"), "x")
    return ExperimentSpec(
        **fields, config={}, recipe=None, draw="coop", protocol="few-shot", shots=16, seed=1, **changes
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("epoch_selection", ["validation", "oracle"]),
        ("unlabelled", ["train", "train:9", "transductive"]),
        ("teacher", [f"coop@b.c#01234567:{digit * 32}" for digit in "01"]),
    ],
)
def test_each_value_has_an_id_of_its_own(name: str, values: list[object]) -> None:
    """What all fields have in common is tested in `test_axes.py`."""
    specs = [plain(), *(plain(**{name: value}) for value in values)]
    assert len({spec.run_id for spec in specs}) == len(specs)


def test_the_label_says_that_there_may_be_fewer_shots() -> None:
    assert plain(allow_fewer=True).label() == "x on x, few-shot, up to 16 shots, seed 1"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("unlabelled", ["test", "train:0", "train:-1", "none", "transductive:9", "<b>"]),
        ("teacher", ["coop", "coop@b.c:" + "0" * 32, "coop@b.c#01234567:0", "<b>"]),
    ],
)
def test_other_pools_and_teachers_are_refused(name: str, wrong: list[str]) -> None:
    for value in wrong:
        with pytest.raises(ValidationError, match=name):
            plain(**{name: value})
