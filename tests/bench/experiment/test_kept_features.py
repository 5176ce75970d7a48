"""Image features that are kept between two passes: no second pass through a tuned tower, and the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from families_of_methods import some_fast
from parity_kit import batch_of, class_set, images, support_view, tiny_backbone
from tiny_runs import forget_loaded, spec_of

from bench.context import RunContext
from bench.experiment import evaluation
from bench.experiment.evaluation import EvaluatedImages
from bench.experiment.runner import run_experiment
from bench.results.predictions import pack_predictions
from datasets_registry import EvalSplit, Sample
from methods import Batch
from methods.apex import APEX
from methods.vpt import VPT, VPTConfig


@pytest.mark.parametrize("method", some_fast(["vpt", "apex", "mmrl", "dept", "clip_lora", "coop"], {"apex", "mmrl"}))
def test_a_run_has_the_same_bits_without_it(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(method, **({"recipe.steps": 6} if method == "clip_lora" else {}))
    shared = run_experiment(spec, RunContext())
    monkeypatch.setattr(evaluation, "LARGEST", 0)
    plain = run_experiment(spec, RunContext())
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
    monkeypatch.setattr(evaluation, "LARGEST", 0)
    assert passes_of_a_run("vpt") == 5 * 24


def split(n: int) -> EvalSplit:
    samples: Any = tuple(Sample(str(i), 0) for i in range(n))
    return EvalSplit("base", cast(Any, None), samples, class_set("base"))


def test_the_features_of_batches_are_kept() -> None:
    method = VPT(tiny_backbone(), VPTConfig(), torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    shown = images("test")[:4]
    alone, again = (batch_of(tiny_backbone(), shown, None) for _ in range(2))
    made: list[tuple[Batch, bool]] = []

    def evaluation_batches(*_: object, ahead: bool, **__: object) -> Iterator[Batch]:
        made.append(((alone, again)[len(made)], ahead))
        return iter([made[-1][0]])

    stub: Any = SimpleNamespace(evaluation_batches=evaluation_batches)
    kept, base = EvaluatedImages(stub, method, 4, 0), split(4)
    kept.keeps = True
    with torch.no_grad():
        plain = alone.once(method.image_features)
        assert alone.once(method.image_features) is not plain
        assert not kept.holds(base)
        (first,) = (one.once(method.image_features) for one in kept.of_split(base))
        assert torch.equal(first, plain)
        assert kept.holds(base)
        (second,) = (one.once(method.image_features) for one in kept.of_split(base))
        assert second is first
        assert [ahead for _, ahead in made] == [True, False], "no pixels are read for kept features"
        kept.size = 2
        assert not kept.holds(base)


def test_texts_of_an_oracle_are_encoded_for_its_scores_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    candidates = APEX.oracle_classifiers
    monkeypatch.setattr(
        APEX, "oracle_classifiers", lambda self, classes: (asked.append(len(classes)), candidates(self, classes))[1]
    )
    record, _ = run_experiment(spec_of("apex", ensemble_weight="oracle"), RunContext())
    assert all(score.selected_on_test for score in record.scores)
    assert asked == [*(score.n_classes for score in record.scores), sum(score.n_classes for score in record.scores)]
