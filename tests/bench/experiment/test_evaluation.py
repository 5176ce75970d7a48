"""Scores and predictions from logits, the open score, and features that are kept between two passes over images."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parity_kit import batch_of, class_set, images, support_view, tiny_backbone
from tiny_runs import BACKBONE, finished, forget_loaded, spec_of

from bench.analysis.metrics.scores import calibration_error
from bench.context import RunContext
from bench.experiment import evaluation
from bench.experiment.evaluation import EvaluatedImages, SplitLogits, evaluate_split, predictions, scored
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.runner import run_experiment
from bench.results.predictions import pack_predictions, unpack_predictions
from bench.results.recomputed_scores import METRICS, contradiction, split_scores
from datasets_registry import ClassSet, EvalProtocol, EvalSplit, Sample
from methods import Batch, MethodError
from methods.apex import APEX, ORACLE_GRID, APEXConfig
from methods.vpt import VPT, VPTConfig
from methods.zero_shot import ZeroShot, ZeroShotConfig

# From logits


class NoImages:
    def load(self, key: str):
        raise AssertionError("no image is read here")

    def digest(self, key: str) -> str:
        return key


def split(labels: list[int], which: str = "new") -> EvalSplit:
    samples = tuple(Sample(f"image{i}", label) for i, label in enumerate(labels))
    return EvalSplit(which, NoImages(), samples, class_set(which))


LOGITS = torch.tensor([[3.0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 5], [0, 2, 1, 0, 0]])


def test_batches_of_transposed_logits_are_refused() -> None:
    class Turned(ZeroShot):
        def classifier(self, classes: ClassSet) -> Any:
            return lambda batch: torch.zeros(len(classes), batch)

    method, sizes = Turned(tiny_backbone(), ZeroShotConfig(), torch.Generator()), [4, 3]
    with pytest.raises(MethodError, match="3 to 4 columns"):
        evaluate_split(method, split([0, 1, 2, 0, 1, 2, 0]), lambda: sizes)  # type: ignore[arg-type, return-value]


def test_ranks_top_classes_and_scores_by_hand() -> None:
    score, kept = scored(split([0, 1, 0, 2]), SplitLogits(LOGITS))
    assert kept.predicted.tolist() == [0, 0, 4, 1]
    assert kept.rank.tolist() == [0, 1, 1, 1], "ties by class index"
    assert kept.top_labels[3].tolist() == [1, 2, 0, 3, 4]
    assert kept.true_logit.tolist() == [3, 1, 0, 1]
    assert kept.images == ("image0", "image1", "image2", "image3")
    assert predictions(split([1]), torch.tensor([[0.0, 1.0]])).top_labels.shape == (1, 2), "fewer than five classes"
    assert score.accuracy == np.mean(kept.rank == 0) == 0.25
    assert score.nll == pytest.approx(np.mean(kept.log_sum_exp - kept.true_logit), abs=1e-6)
    p_true = np.exp(kept.true_logit - kept.log_sum_exp)
    assert score.brier == pytest.approx(np.mean(kept.sum_p2 - 2 * p_true + 1), abs=1e-6)


@given(st.integers(0, 10_000), st.integers(5, 300), st.integers(2, 12))
def test_scores_of_random_test_sets_follow_from_what_is_stored(seed: int, n: int, n_cls: int) -> None:
    """Confidences that are equal once stored are equal for the score, wherever a bin of the calibration error ends."""
    draw = np.random.default_rng(seed)
    few = draw.normal(size=(max(1, n // 6), n_cls)) * 10
    near = few[draw.integers(len(few), size=n)] + draw.normal(size=(n, n_cls)) * 1e-6
    samples = tuple(Sample(f"{i}.png", int(label)) for i, label in enumerate(draw.integers(n_cls, size=n)))
    classes = ClassSet(tuple(f"class {i}" for i in range(n_cls)), "a photo of a {}.")
    logits = SplitLogits(torch.from_numpy(near.astype(np.float32)))
    stated, item = scored(EvalSplit("all", NoImages(), samples, classes), logits)
    (stored,) = unpack_predictions(pack_predictions([item]))
    assert {name: getattr(stated, name) for name in METRICS} == split_scores(stored, n_cls)


def batches() -> Iterator[Batch]:
    for i in range(0, 20, 8):
        yield batch_of(tiny_backbone(), images("test")[i : i + 8], None)


def test_a_method_is_scored_in_the_order_of_the_split() -> None:
    method = ZeroShot(tiny_backbone(), ZeroShotConfig(), torch.Generator())
    method.prepare(support_view(tiny_backbone(), class_set("new")))
    score, kept = evaluate_split(method, split([0] * 20), batches)
    assert score.selected_on_test is None
    assert score.accuracy == np.mean(kept.predicted == 0)
    assert score.n == len(kept.images) == 20
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))

    def shuffled() -> Iterator[Batch]:
        yield batch_of(tiny_backbone(), images("test")[order], None)

    _, streamed = evaluate_split(method, split([0] * 20), shuffled, order=order)
    assert streamed.predicted.tolist() == kept.predicted.tolist()


def test_an_oracle_picks_the_best_on_test_and_says_so() -> None:
    method = APEX(tiny_backbone(), APEXConfig(ensemble_weight="oracle"), torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    with torch.no_grad():
        for parameter in method.trainable.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    labels = [i % 5 for i in range(20)]
    best, _ = evaluate_split(method, split(labels), batches)
    assert best.selected_on_test in {f"weight {w:g}" for w in ORACLE_GRID}
    for weight in ORACLE_GRID[::4]:
        method.config = APEXConfig(ensemble_weight="fixed", fixed_weight=weight)
        fixed, _ = evaluate_split(method, split(labels), batches)
        assert fixed.accuracy <= best.accuracy


# The open score of whole runs


@pytest.mark.parametrize("method", ["zero_shot", "coop"])
def test_the_open_score_equals_a_computation_from_the_logits_of_both_splits(method: str) -> None:
    """A class's logits of these methods do not depend on the other names, so both halves give those of all names."""
    record, items = finished(spec_of(method))
    found, score = {item.split: item for item in items}, record.open
    for plain, name in (("base", "open-base"), ("new", "open-new")):
        own, among_all = found[plain], found[name]
        assert own.images == among_all.images
        offset = 0 if plain == "base" else record.scores[0].n_classes
        np.testing.assert_array_equal(among_all.label, own.label + offset)
        np.testing.assert_allclose(among_all.true_logit, own.true_logit, rtol=1e-4, atol=1e-4)
        assert among_all.log_sum_exp.min() > own.log_sum_exp.min()
    right = [item.predicted == item.label for item in (found["open-base"], found["open-new"])]
    assert (score.base.accuracy, score.new.accuracy) == (right[0].mean(), right[1].mean())
    assert score.base.accuracy <= record.scores[0].accuracy
    assert score.new.accuracy <= record.scores[1].accuracy
    item = found["open-new"]
    sure = np.exp(item.top_logits[:, 0].astype(float) - item.log_sum_exp)
    assert score.new.ece == pytest.approx(calibration_error(sure, right[1]), abs=1e-5)


def test_other_protocols_have_no_open_score() -> None:
    record, items = finished(spec_of("coop", protocol=EvalProtocol.FEW_SHOT))
    assert [score.split for score in record.scores] == [item.split for item in items] == ["all"]
    assert record.open is None
    assert "open" not in record.model_dump()


def test_an_oracle_makes_one_choice_for_all_images_and_encodes_texts_for_its_scores_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    candidates = APEX.oracle_classifiers
    monkeypatch.setattr(
        APEX, "oracle_classifiers", lambda self, classes: (asked.append(len(classes)), candidates(self, classes))[1]
    )
    record, _ = run_experiment(spec_of("apex", ensemble_weight="oracle"), RunContext())
    assert all(score.selected_on_test for score in record.scores)
    assert asked == [*(score.n_classes for score in record.scores), sum(score.n_classes for score in record.scores)]
    assert record.open.base.selected_on_test == record.open.new.selected_on_test is not None
    assert record.open.base.optimism is not None


# Features that are kept between two passes


@pytest.mark.parametrize("method", ["apex", "mmrl"])
def test_a_run_has_the_same_bits_without_kept_features(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both treat new classes differently."""
    record, items = finished(spec_of(method))
    assert record.open.base.n_classes == sum(score.n_classes for score in record.scores)
    assert contradiction(record, items) == ""
    monkeypatch.setattr(evaluation, "LARGEST", 0)
    plain, plain_items = run_experiment(spec_of(method), RunContext())
    assert pack_predictions(items) == pack_predictions(plain_items)
    assert (record.open, record.scores) == (plain.open, plain.scores)


def test_the_open_score_passes_no_image_through_a_tuned_tower(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, passes in ((evaluation.LARGEST, 0), (0, 5 * 24)):
        monkeypatch.setattr(evaluation, "LARGEST", limit)
        forget_loaded()
        record, _ = run_experiment(spec_of("vpt"), RunContext())
        whole_run = float(shared_inputs(BACKBONE, RunContext()).backbone.passes.prompted_image)
        assert whole_run - record.cost.prompted_image_passes == passes


def test_the_features_of_batches_are_kept() -> None:
    method = VPT(tiny_backbone(), VPTConfig(), torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    alone, again = (batch_of(tiny_backbone(), images("test")[:4], None) for _ in range(2))
    made: list[tuple[Batch, bool]] = []

    def evaluation_batches(*_: object, ahead: bool, **__: object) -> Iterator[Batch]:
        made.append(((alone, again)[len(made)], ahead))
        return iter([made[-1][0]])

    stub: Any = SimpleNamespace(evaluation_batches=evaluation_batches)
    kept, base = EvaluatedImages(stub, method, 4, 0), split([0] * 4, "base")
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
