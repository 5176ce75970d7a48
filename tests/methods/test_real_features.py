"""The linear probe has the accuracy of scikit-learn's, on generated features and on real ones of CLIP ViT-B/32."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parity_kit import tiny_backbone
from places import REAL_DATA
from torch import Tensor

from datasets_registry import ClassSet
from methods import SupportView
from methods.linear_probe import LinearProbe, LinearProbeConfig, linear_logits

FEATURES = REAL_DATA / "features" / "vitb32"
SHOTS = 16


@pytest.mark.real_data
@pytest.mark.parametrize(("dataset", "expected"), [("caltech101", 0.938), ("oxford_pets", 0.804)])
def test_sixteen_shots_on_all_classes(dataset: str, expected: float):
    """The expected accuracies were measured with scikit-learn's logistic regression at C = 10."""
    arrays = np.load(FEATURES / f"{dataset}.npz")

    def part(name: str) -> tuple[Tensor, Tensor]:
        features, labels = arrays[f"{name}_f"].astype(np.float32), arrays[f"{name}_l"].astype(np.int64)
        return torch.from_numpy(features), torch.from_numpy(labels)

    predicted = predictions(*part(f"train{SHOTS}"), part("test")[0])
    assert float((predicted == part("test")[1]).double().mean()) == pytest.approx(expected, abs=0.001)


def test_generated_features() -> None:
    """Twenty classes that overlap, as many dimensions as the real features have."""
    numbers = torch.Generator().manual_seed(0)
    centres = torch.randn(20, 512, generator=numbers)

    def part(shots: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(20).repeat_interleave(shots)
        return centres[labels] + 6 * torch.randn(len(labels), 512, generator=numbers), labels

    (support, labels), (images, truth) = part(SHOTS), part(50)
    from sklearn.linear_model import LogisticRegression

    reference = LogisticRegression(C=10, max_iter=1000).fit(support.double().numpy(), labels.numpy())
    found = predictions(support, labels, images)
    accuracies = [float((p == truth).double().mean()) for p in (found, torch.from_numpy(reference.predict(images)))]
    assert 0.3 < accuracies[1] < 0.95
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.002)


def predictions(support: Tensor, labels: Tensor, images: Tensor) -> Tensor:
    """Labels that the linear probe gives to images, with C = 10."""
    classes = ClassSet(tuple(f"class {i}" for i in range(int(labels.max()) + 1)), "{}")
    method = LinearProbe(tiny_backbone(), LinearProbeConfig(selection="fixed", c=10), torch.Generator())
    method.prepare(SupportView(classes, labels, SHOTS, lambda: support, lambda k, _: support.expand(k, -1, -1)))
    return linear_logits(method.chosen, images).argmax(dim=1)
