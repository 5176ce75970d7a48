"""Image features that are kept between two passes: no second pass through a tuned tower, and the same bits."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from parity_kit import batch_of, class_set, images, support_view, tiny_backbone
from tiny_runs import forget_loaded, spec_of

from bench.context import RunContext
from bench.experiment import evaluation as shared_image_features
from bench.experiment.evaluation import SharedImageFeatures
from bench.experiment.runner import run_experiment
from bench.results.predictions import pack_predictions
from methods.vpt import VPT, VPTConfig


@pytest.mark.parametrize("method", ["vpt", "apex", "maple", "mmrl", "dept", "clip_lora", "coop"])
def test_a_run_has_the_same_bits_without_it(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {"recipe.steps_per_shot": 0} if method == "clip_lora" else {}  # two epochs for it too
    shared = run_experiment(spec_of(method, **steps), RunContext())
    monkeypatch.setattr(shared_image_features, "LARGEST", 0)
    plain = run_experiment(spec_of(method, **steps), RunContext())
    assert pack_predictions(shared[1]) == pack_predictions(plain[1])
    assert shared[0].open == plain[0].open
    assert shared[0].scores == plain[0].scores


def passes_of_a_run(method: str) -> float:
    """Images through a changed tower in a whole run, the open score included."""
    from bench.experiment.features import inputs

    forget_loaded()
    spec = spec_of(method)
    record, _ = run_experiment(spec, RunContext())
    backbone = inputs.shared_inputs(spec.backbone, RunContext()).backbone
    assert record.cost is not None
    return float(backbone.passes.prompted_image) - record.cost.prompted_image_passes


def test_the_open_score_passes_no_image_through_a_tuned_tower(monkeypatch: pytest.MonkeyPatch) -> None:
    assert passes_of_a_run("vpt") == 0
    monkeypatch.setattr(shared_image_features, "LARGEST", 0)
    assert passes_of_a_run("vpt") == 5 * 24


def test_outside_of_numbered_batches_nothing_is_kept() -> None:
    method = VPT(tiny_backbone(), VPTConfig(), torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    batch = batch_of(tiny_backbone(), images("test")[:4], None)
    shared = SharedImageFeatures(method)
    with torch.no_grad(), shared:
        method.image_features(batch)
        assert not shared.holds("base", 4, 4)
        for one in shared.numbered("base", 4, [batch]):
            kept = method.image_features(one)
        assert shared.holds("base", 4, 4)
        assert not shared.holds("base", 2, 4)
        assert method.image_features(batch) is not kept
    with torch.no_grad(), nullcontext():
        assert "image_features" not in vars(method)
        assert torch.equal(method.image_features(batch), kept)
