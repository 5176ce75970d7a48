"""The linear probe on real CLIP ViT-B/32 features: the accuracy that scikit-learn's gives there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parity_kit import tiny_backbone
from places import SHARED
from torch import Tensor

from datasets_registry import ClassSet
from methods import SupportView
from methods.linear_probe import LinearProbe, LinearProbeConfig

FEATURES = SHARED / "data" / "features" / "vitb32"
SHOTS = 16


@pytest.mark.skipif(not FEATURES.is_dir(), reason=f"needs the shared test data; {FEATURES} does not exist")
@pytest.mark.parametrize(("dataset", "expected"), [("caltech101", 0.938), ("oxford_pets", 0.804)])
def test_sixteen_shots_on_all_classes(dataset: str, expected: float):
    """The expected accuracies were measured with scikit-learn's logistic regression at C = 10."""
    arrays = np.load(FEATURES / f"{dataset}.npz")

    def part(name: str) -> tuple[Tensor, Tensor]:
        features, labels = arrays[f"{name}_f"].astype(np.float32), arrays[f"{name}_l"].astype(np.int64)
        return torch.from_numpy(features), torch.from_numpy(labels)

    support, labels = part(f"train{SHOTS}")
    images, truth = part("test")
    classes = ClassSet(tuple(f"class {i}" for i in range(int(labels.max()) + 1)), "{}")
    method = LinearProbe(tiny_backbone(), LinearProbeConfig(selection="fixed", c=10), torch.Generator())
    method.prepare(SupportView(classes, labels, SHOTS, lambda: support, lambda k, _: support.expand(k, -1, -1)))
    found = (method.chosen(images).argmax(dim=1) == truth).double().mean()
    assert float(found) == pytest.approx(expected, abs=0.001)
