"""The novelty score: leaving out by hand, the threshold's false alarms in a simulation, and few images."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from bench.experiment.kept_models import class_means, fit_novelty, left_out_scores, novelty_scores, threshold


def test_leaving_one_out_equals_the_plain_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(12, 8, generator=generator), torch.arange(3).repeat(4)
    expected = []
    for i in range(12):
        kept = torch.arange(12) != i
        image = F.normalize(features, dim=-1)
        means = torch.stack([image[kept & (labels == c)].mean(dim=0) for c in range(3)])
        expected.append(1 - F.cosine_similarity(features[i], means).max())
    assert left_out_scores(features, labels, 3) == pytest.approx(torch.stack(expected), abs=1e-5)


def test_a_class_with_one_image_is_not_scored_by_itself() -> None:
    features, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
    assert len(left_out_scores(features, labels, 2)) == 4
    assert not len(left_out_scores(features[::2], labels[::2], 2))
    assert fit_novelty("class_mean", "support", torch.empty(0)) is None


@pytest.mark.parametrize(("n", "rate"), [(5, 1 / 6), (19, 0.05), (200, 0.05)])
def test_new_images_exceed_the_threshold_as_often_as_it_says(n: int, rate: float) -> None:
    generator = torch.Generator().manual_seed(n)
    exceeded = []
    for _ in range(4000):
        scores = torch.randn(n + 1, generator=generator)
        limit, allowed = threshold(scores[:-1])
        assert allowed == pytest.approx(rate)
        exceeded.append(float(scores[-1]) > limit)
    found = sum(exceeded) / len(exceeded)
    assert found <= rate + 0.01
    assert found >= 0.7 * rate


def test_an_image_far_from_all_classes_scores_higher() -> None:
    features, labels = torch.eye(3).repeat(2, 1) + 0.01, torch.arange(3).repeat(2)
    means = class_means(features, labels, 3)
    near, far = novelty_scores(torch.tensor([[1.0, 0, 0], [-1.0, -1, -1]]), means)
    assert float(near) == pytest.approx(0, abs=0.01)
    assert far > 1
    assert means.dtype is torch.float16
