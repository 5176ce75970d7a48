"""Candidates that are scored together get the scores that each gets alone, and the first of equals wins."""

from __future__ import annotations

import pytest
import torch

from methods import logits_accuracy
from methods._parts import feature_methods


@pytest.mark.parametrize("at_once", [1, 1000, 2**20])
def test_candidates_scored_together_equal_candidates_alone(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_methods, "LOGITS_AT_ONCE", at_once)
    generator = torch.Generator().manual_seed(0)
    logits, added = (torch.randn(60, 4, generator=generator) for _ in range(2))
    labels = torch.randint(0, 4, (60,), generator=generator)
    weights = [0.05 * i for i in range(30)]
    counts = feature_methods.correct_by_weight(logits, added, weights, labels)
    alone = [logits_accuracy(logits + w * added, labels) for w in weights]
    assert [count / len(labels) for count in counts.tolist()] == alone
    assert len(set(alone)) > 2
    assert feature_methods.first_best([counts]) == alone.index(max(alone))


def test_the_first_of_equals_wins_over_all_parts() -> None:
    parts = [torch.tensor([1, 3, 2]), torch.tensor([3, 0])]
    assert feature_methods.first_best(parts) == 1
    assert feature_methods.first_best(parts[::-1]) == 0
