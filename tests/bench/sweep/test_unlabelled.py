"""`--unlabelled`: who sees the pool, what a run records of it, its boards, and what is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.context import RunContext
from bench.errors import ImpossibleCombinationError, UsageError
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.runner import run_experiment
from bench.experiment.task import load_task
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.sweep import SweepRequest, expand, outline_of
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


def test_a_spec_gives_its_pool_again() -> None:
    (spec,) = plan(methods="ss_text_u", unlabelled="train:30")
    task = load_task(spec, RunContext())
    assert len(task.pool or ()) == 30
    assert ExperimentSpec.model_validate_json(spec.model_dump_json()) == spec


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
    view = SupportView(
        load_task(plan(methods="ss_text")[0], RunContext()).support.classes,
        torch.zeros(1, dtype=torch.long),
        1,
        lambda: torch.ones(1, 4),
        lambda k, _: torch.ones(k, 1, 4),
    )
    with pytest.raises(UndeclaredNeedError, match=r"Add unlabelled to info\.needs"):
        view.unlabelled()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unlabelled": "test"}, "Declare this with --unlabelled transductive"),
        ({"unlabelled": "train:-1"}, "'-1' is not a number of images"),
        ({"unlabelled": "images"}, r"'images' is not understood\. Write none, train or train\+new"),
        (
            {"unlabelled": "train", "methods": "ss_text"},
            r"has no effect: no selected method learns .* do: promptkd, rehark, ss_text_u\.",
        ),
        ({"unlabelled": "train", "protocol": "test-time"}, "has no effect with test-time"),
        ({"unlabelled": "train+new:4"}, "few-shot has no new classes; write train:4"),
        (
            {"unlabelled": "transductive", "protocol": "cross-dataset", "targets": "spectrum_words"},
            "not go with cross-dataset",
        ),
    ],
)
def test_a_pool_that_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"Cannot run ss_text_u: it learns from unlabelled images, and the run declares none; use --unlabelled"),
        ({"unlabelled": "train:99999"}, r"99999 images, but dataset .* \d+ unlabelled images"),
        ({"unlabelled": "train", "shots": "all"}, "no unlabelled images for --unlabelled train"),
    ],
)
def test_a_run_that_cannot_have_its_pool_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ImpossibleCombinationError, match=message):
        plan(methods="ss_text_u", **options)
