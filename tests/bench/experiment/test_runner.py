"""Whole runs on synthetic images: what is recorded, and that nothing but the spec decides it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import BACKBONE, DATASET, finished, forget_loaded, outcome, spec_of

from bench.context import RunContext
from bench.errors import NonFiniteLossError, StaleSpecError
from bench.experiment import measured_difficulty, runner
from bench.experiment.features import frozen_features
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.features.training_images import TrainingImages
from bench.experiment.features.views import View
from bench.experiment.kept_models import restored_method
from bench.experiment.model_file import read_model
from bench.record import RunStatus
from datasets_registry import EvalProtocol, few_shot_draws, get_dataset
from methods import Backbone, Batch, TrainableMethod, clip_adapter


def test_the_same_spec_gives_the_same_bits(tmp_path: Path) -> None:
    """In a fresh process state, after other runs, with a cold and with a warm feature cache."""
    specs, cached = [spec_of("apex"), spec_of("clip_adapter")], RunContext(cache_dir=tmp_path)

    def outcomes(context: RunContext) -> list[object]:
        return [outcome(runner.run_experiment(spec, context)) for spec in specs]

    forget_loaded()
    alone = outcomes(RunContext())
    forget_loaded()
    runner.run_experiment(spec_of("ivlp", seed=2), cached)
    runner.run_experiment(spec_of("coop", protocol=EvalProtocol.FEW_SHOT), cached)
    after_others = outcomes(cached)
    forget_loaded()
    assert alone == after_others == outcomes(cached)


@pytest.mark.parametrize("key", [DATASET, f"{DATASET}@2"])
def test_a_run_and_its_kept_model_have_the_values_of_their_dataset(key: str, tmp_path: Path) -> None:
    plain = spec_of("clip_adapter", ratio=0.6)
    recipe = {key: value for key, value in plain.recipe.items() if key != "lr"}
    by_dataset = plain.model_copy(
        update={
            "config": {**plain.config, "ratio": 0.1, "by_dataset": {key: {"ratio": 0.6}, "eurosat": {"ratio": 0.9}}},
            "recipe": recipe | {"lr": 0.5, "by_dataset": {DATASET: {"lr": plain.recipe["lr"]}, "eurosat": {"lr": 1.0}}},
        }
    )
    expected, found = (runner.run_and_keep(spec, RunContext()) for spec in (plain, by_dataset))
    assert outcome(found[:2])[1:] == outcome(expected[:2])[1:]
    for one, other in zip(found[1], expected[1], strict=True):
        np.testing.assert_array_equal(one.top_logits, other.top_logits)
    (tmp_path / "model.safetensors").write_bytes(found[2])
    inputs = shared_inputs(BACKBONE, RunContext())
    assert restored_method(*read_model(tmp_path / "model.safetensors"), inputs.backbone).config.ratio == 0.6


def test_a_record_says_what_was_asked_and_what_it_cost() -> None:
    forget_loaded()
    spec = spec_of("apex")
    record, predictions = runner.run_experiment(spec, RunContext())
    assert (record.run_id, record.status) == (spec.run_id, RunStatus.OK)
    assert [s.split for s in record.scores] == ["base", "new"]
    assert [p.split for p in predictions] == ["base", "new", "open-base", "open-new"]
    cost = record.cost
    n_test = sum(s.n for s in record.scores)
    # 2 visual tokens x 3 blocks, 2 text tokens, a linear adapter, on widths 128, 64, 64
    assert cost.trainable_parameters == 2 * 3 * 128 + 2 * 64 + 64 * 64 + 64
    assert cost.prompted_image_passes == cost.steps * 16 + n_test
    assert cost.image_passes == 0
    assert cost.shared_image_passes == record.scores[1].n, "only new classes"
    assert cost.peak_memory_bytes > 0
    assert record.provenance.backbone_digest
    assert len(record.provenance.support_digests) == 2 * record.scores[0].n_classes


def test_all_methods_and_seeds_of_a_sweep_compute_each_view_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each epoch of a seed shows the same views to CoOp and CLIP-Adapter, and both test the same images."""
    forget_loaded()
    encoded: list[int] = []
    encode = frozen_features.encode_padded

    def counted(backbone: Backbone, pixels: torch.Tensor, *rest: Any) -> torch.Tensor:
        encoded[-1] += len(pixels)
        return encode(backbone, pixels, *rest)

    monkeypatch.setattr(frozen_features, "encode_padded", counted)
    records = []
    for seed, method in itertools.product((1, 2), ("coop", "clip_adapter")):
        encoded.append(0)
        records.append(runner.run_experiment(spec_of(method, seed=seed), RunContext())[0])
    support, test = 2 * records[0].scores[0].n_classes, sum(score.n for score in records[0].scores)
    assert encoded == [2 * support + test, 0, 2 * support, 0]
    charged = [record.cost.shared_image_passes for record in records if record.cost is not None]
    assert charged == [2 * support + test] * 4


def test_the_other_view_of_an_epoch_is_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[View, View, torch.Tensor]] = []
    make = TrainingImages.epoch

    def spied(images: TrainingImages, number: int) -> Callable[[torch.Tensor], Batch]:
        batch = make(images, number)(torch.tensor([3, 1]))
        view, other = images.view(number), images.view(number + 1)
        expected = images.inputs.features(images.images, [images.samples[3], images.samples[1]], other)
        torch.testing.assert_close(batch.other_view, expected)
        shown.append((view, other, batch.other_view))
        return make(images, number)

    monkeypatch.setattr(TrainingImages, "epoch", spied)
    runner.run_experiment(spec_of("coprompt"), RunContext())
    assert [(view.index, other.index) for view, other, _ in shown] == [(0, 1), (1, 0)]
    assert not torch.equal(shown[0][2], shown[1][2])


def test_data_that_changed_since_planning_are_refused() -> None:
    spec = spec_of("coop").model_copy(update={"task_fingerprint": "0" * 32})
    with pytest.raises(StaleSpecError, match="changed since this run.*plan"):
        runner.run_experiment(spec, RunContext())


def test_a_diverging_run_fails_and_its_record_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of("clip_adapter")
    loss = TrainableMethod.loss
    monkeypatch.setattr(TrainableMethod, "loss", lambda self, batch: loss(self, batch) * float("inf"))
    with pytest.raises(NonFiniteLossError) as caught:
        runner.run_experiment(spec, RunContext())
    record = runner.failed_record(spec, caught.value, RunContext())
    assert (record.status, record.error.kind) == (RunStatus.FAILED, "NonFiniteLossError")
    assert "clip_adapter is not finite" in record.error.message
    assert "train_step" in record.error.traceback


def test_a_mistake_in_the_code_of_a_method_is_recorded_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_adapter, "BottleneckAdapter", None)
    spec = spec_of("clip_adapter")
    with pytest.raises(TypeError) as caught:
        runner.run_experiment(spec, RunContext())
    record = runner.failed_record(spec, caught.value, RunContext())
    assert re.search(r" \(clip_adapter\.py:\d+\)$", record.error.message)


def test_difficulty_is_measured_for_all_base_and_new_classes_by_the_zero_shot_accuracy() -> None:
    forget_loaded()
    records = runner.measure_difficulty(BACKBONE, DATASET, RunContext())
    assert [r.split for r in records] == ["all", "base", "new"]
    whole, base, new = records
    assert (whole.n_classes, whole.n_images) == (base.n_classes + new.n_classes, base.n_images + new.n_images)
    accuracy = whole.measures["zero_shot_accuracy"]
    assert whole.measures["relative_transfer_difficulty"] == pytest.approx(1 / whole.n_classes / accuracy)
    (score,) = finished(spec_of("zero_shot", protocol=EvalProtocol.FEW_SHOT))[0].scores
    assert score.accuracy == accuracy
    assert score.nll == pytest.approx(whole.measures["zero_shot_nll"], abs=1e-4)


@pytest.mark.parametrize(("kept", "measured"), [("base", ["all", "base"]), ("new", ["all", "new"])])
def test_classes_without_test_images_have_no_difficulty(
    kept: str, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    info = get_dataset("spectrum_basic:test=1")
    splits = info.reader(None)
    labels = few_shot_draws.class_halves(len(splits.class_names))[kept == "new"]
    half = replace(splits, test=tuple(sample for sample in splits.test if sample.label in labels))
    monkeypatch.setattr(measured_difficulty, "read_splits", lambda *_: half)
    records = runner.measure_difficulty("ViT-tiny.random", info.name, RunContext())
    assert [record.split for record in records] == measured
    assert {record.n_images for record in records} == {len(half.test)}


@pytest.mark.parametrize(("content", "stored"), [('{"contents": "abc"}', "abc"), ("{", None), (None, None)])
def test_the_last_check_of_the_data_is_stored_with_the_run(
    tmp_path: Path, content: str | None, stored: str | None
) -> None:
    if content is not None:
        (tmp_path / ".etl-bench").mkdir()
        (tmp_path / ".etl-bench" / f"{DATASET}.json").write_text(content)
    record, _ = runner.run_experiment(spec_of("zero_shot"), RunContext(data_root=tmp_path))
    assert record.provenance.dataset_check == stored
