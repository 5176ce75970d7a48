"""Kept models: loaded on a new backbone they give the logits of the run, and test images have no part in them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from families_of_methods import some_fast
from tiny_runs import BACKBONE, forget_loaded, one_spec, outcome

from bench.analysis.metrics.scores import accuracy, fit_temperature
from bench.context import RunContext
from bench.experiment import runner
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.kept_models import restored_method
from bench.experiment.model_file import ModelInfo, read_model, write_model
from bench.experiment.task import load_task
from bench.record import Predictions, RunRecord
from bench.spec import ExperimentSpec
from datasets_registry import BenchError, EvalProtocol, EvalSplit, SupportSet
from methods import METHODS, Method, get_method

SETTINGS: dict[str, dict[str, object]] = {
    "linear_probe": {"selection": "ensemble"},
    "tip_adapter": {"selection": "ensemble"},
    "apex": {"reference_visual": "random_prompts"},
    "zs_lp": {"trained_share": 0.5, "init": "random"},
    "coop": {"class_specific": "true", "ctx_init": ""},
}
PLAIN = ["zero_shot", "gda", "lp_plus_plus", "tip_adapter_f", "prolip", "mma", "vpt", "wise_ft_on:task_res"]


def spec_of(method: str, **settings: object) -> ExperimentSpec:
    recipe = {"recipe.epochs": 2, "recipe.views": 2, "recipe.by_dataset": "{}"}
    chosen = SETTINGS.get(method, {}) | settings | (recipe if get_method(method).info.recipes else {})
    overrides = [f"{method}.{key}={value}" for key, value in chosen.items()]
    return one_spec(method, *overrides, protocol=EvalProtocol.FEW_SHOT)


@lru_cache
def kept(method: str) -> tuple[RunRecord, list[Predictions], bytes | BenchError]:
    return runner.run_and_keep(spec_of(method), RunContext())


def loaded(content: bytes | BenchError, folder: Path) -> tuple[ModelInfo, dict[str, torch.Tensor]]:
    assert isinstance(content, bytes)
    write_model(folder / "m.safetensors", content)
    return read_model(folder / "m.safetensors")


def logits_of(method: Method[Any], info: ModelInfo, part: EvalSplit | SupportSet) -> torch.Tensor:
    inputs, context = shared_inputs(BACKBONE, RunContext()), RunContext()
    with torch.no_grad():
        classify = method.classifier(info.classes.class_set)
        batches = inputs.evaluation_batches(part.images, part.samples, method.info.needs, context.eval_batch)
        return torch.cat([classify(batch) for batch in batches])


@pytest.mark.parametrize("method", some_fast([*SETTINGS, *PLAIN], {*SETTINGS, "mma", "vpt", "wise_ft_on:task_res"}))
def test_a_loaded_model_gives_the_predictions_of_its_run(method: str, tmp_path: Path) -> None:
    spec = spec_of(method)
    record, (expected,), content = kept(method)
    if method == "linear_probe":
        assert outcome((record, [expected])) == outcome(runner.run_experiment(spec, RunContext())), "without keeping it"
    forget_loaded()
    info, tensors = loaded(content, tmp_path)
    method_ = restored_method(info, tensors, shared_inputs(BACKBONE, RunContext()).backbone)
    (split,) = load_task(spec, RunContext()).evals
    top = logits_of(method_, info, split).topk(5, dim=1)
    assert (top.values.numpy() == expected.top_logits).all()
    assert info.scores == tuple(record.scores)
    assert info.open_vocabulary is METHODS.get(method).info.is_open(method_.config)


def test_temperature_and_validation_score_are_those_of_the_validation_images(tmp_path: Path) -> None:
    info, tensors = loaded(kept("prolip")[2], tmp_path)
    part = load_task(info.spec, RunContext()).validation
    assert part.classes == info.classes.class_set
    method = restored_method(info, tensors, shared_inputs(BACKBONE, RunContext()).backbone)
    logits = logits_of(method, info, part)
    assert (info.calibration.source, info.calibration.n) == ("validation", len(part))
    assert info.calibration.temperature == fit_temperature(logits, part.labels)
    assert info.validation_accuracy == accuracy(logits, part.labels)


def test_the_kind_of_novelty_score_costs_no_further_pass(tmp_path: Path) -> None:
    by_features, tensors = loaded(kept("lp_plus_plus")[2], tmp_path)
    by_logits, others = loaded(kept("vpt")[2], tmp_path)
    assert (by_features.novelty.kind, by_logits.novelty.kind) == ("class_mean", "max_logit")
    assert tensors["novelty.means"].shape == (24, 64)
    assert "novelty.means" not in others


def test_without_validation_images_the_file_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = runner.load_task

    def without_validation(spec: ExperimentSpec, context: RunContext) -> object:
        task = real(spec, context)
        return replace(task, validation=replace(task.validation, samples=()))

    monkeypatch.setattr(runner, "load_task", without_validation)
    for method, source in (("lp_plus_plus", "support"), ("vpt", None)):
        info, _ = loaded(runner.run_and_keep(spec_of(method), RunContext())[2], tmp_path)
        assert (info.calibration.source, info.calibration.temperature) == ("uncalibrated", 1.0)
        assert (info.novelty.source if info.novelty else None) == source
        assert info.validation_accuracy is None
        assert "1, uncalibrated" in (tmp_path / "m.md").read_text()


def test_an_oracle_cannot_be_kept() -> None:
    *_, reason = runner.run_and_keep(spec_of("gda", selection="oracle"), RunContext())
    assert "no single model" in str(reason)


def test_a_method_that_forgets_something_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    gda = get_method("gda")
    real = gda.tuned_state
    monkeypatch.setattr(gda, "tuned_state", lambda self: real(self) | {"bias": real(self)["bias"] + 1000})
    *_, reason = runner.run_and_keep(spec_of("gda"), RunContext())
    assert "loaded again, it gives" in str(reason)
