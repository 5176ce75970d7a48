"""Scores and predictions from logits; test labels never reach a method."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parity_kit import batch_of, class_set, images, support_view, tiny_backbone

from bench.experiment.evaluation import SplitLogits, evaluate_split, predictions, scored
from bench.results.predictions import pack_predictions, unpack_predictions
from bench.results.recomputed_scores import METRICS, split_scores
from datasets_registry import ClassSet, EvalSplit, Sample
from methods.apex import APEX, ORACLE_GRID, APEXConfig
from methods.zero_shot import ZeroShot, ZeroShotConfig


class NoImages:
    def load(self, key: str):
        raise AssertionError("no image is read here")

    def digest(self, key: str) -> str:
        return key


def split(labels: list[int], which: str = "new", name: str = "new") -> EvalSplit:
    samples = tuple(Sample(f"image{i}", label) for i, label in enumerate(labels))
    return EvalSplit(name, NoImages(), samples, class_set(which))


LOGITS = torch.tensor([[3.0, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 5], [0, 2, 1, 0, 0]])


def test_ranks_and_top_classes_by_hand() -> None:
    kept = predictions(split([0, 1, 0, 2]), LOGITS)
    assert kept.predicted.tolist() == [0, 0, 4, 1]
    assert kept.rank.tolist() == [0, 1, 1, 1], "ties by class index"
    assert kept.top_labels[3].tolist() == [1, 2, 0, 3, 4]
    assert kept.true_logit.tolist() == [3, 1, 0, 1]
    assert kept.images == ("image0", "image1", "image2", "image3")


def test_scores_can_be_recomputed_from_predictions() -> None:
    labels = [0, 1, 0, 2]
    score, kept = scored(split(labels), SplitLogits(LOGITS))
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
    part = EvalSplit(
        "all", NoImages(), samples, ClassSet(tuple(f"class {i}" for i in range(n_cls)), "a photo of a {}.")
    )
    stated, item = scored(part, SplitLogits(torch.from_numpy(near.astype(np.float32))))
    (stored,) = unpack_predictions(pack_predictions([item]))
    assert {name: getattr(stated, name) for name in METRICS} == split_scores(stored, n_cls)


def test_a_split_with_fewer_than_five_classes_keeps_them_all() -> None:
    kept = predictions(EvalSplit("new", NoImages(), (Sample("a", 1),), class_set("new")), torch.tensor([[0.0, 1.0]]))
    assert kept.top_labels.shape == (1, 2)


def batches():
    for i in range(0, 20, 8):
        yield batch_of(tiny_backbone(), images("test")[i : i + 8], None)


def test_a_method_is_scored_in_the_order_of_the_split() -> None:
    method = ZeroShot(tiny_backbone(), ZeroShotConfig(), torch.Generator())
    method.prepare(support_view(tiny_backbone(), class_set("new")))
    score, kept = evaluate_split(method, split([0] * 20), batches)
    assert score.selected_on_test is None
    assert score.accuracy == np.mean(kept.predicted == 0)
    assert score.n == len(kept.images) == 20


def test_an_oracle_picks_the_best_on_test_and_says_so() -> None:
    method = APEX(tiny_backbone(), APEXConfig(ensemble_weight="oracle"), torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    with torch.no_grad():
        for parameter in method.trainable.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    labels = [i % 5 for i in range(20)]
    best, _ = evaluate_split(method, split(labels), batches)
    assert best.selected_on_test in {f"weight {w:g}" for w in ORACLE_GRID}
    for weight in ORACLE_GRID:
        method.config = APEXConfig(ensemble_weight="fixed", fixed_weight=weight)
        fixed, _ = evaluate_split(method, split(labels), batches)
        assert fixed.accuracy <= best.accuracy
