"""Difficulty of real CLIP ViT-B/32 features on classes that are also ImageNet classes."""

import json
from pathlib import Path

import numpy as np
import pytest
from places import REAL_DATA

from bench.analysis.metrics.difficulty import difficulty_measures

pytestmark = pytest.mark.real_data  # test_difficulty.py measures generated features


@pytest.fixture(scope="module")
def features() -> Path:
    return REAL_DATA / "features/vitb32"


@pytest.mark.parametrize(
    ("name", "n_images", "n_classes", "texts", "zero_shot"),
    [
        ("oxford_pets", 2283, 23, "text_a", 0.8852),
        ("oxford_pets", 2283, 23, "text_b", 0.9343),
        ("caltech101", 523, 26, "text_a", 0.9656),
        ("caltech101", 523, 26, "text_b", 0.9694),
    ],
)
def test_zero_shot_accuracy_of_real_features(
    features: Path, name: str, n_images: int, n_classes: int, texts: str, zero_shot: float
):
    """Both class texts of the features, as docs/real-features.md has them."""
    overlap = json.loads((features / "text_overlap.json").read_text())[name]
    position = {entry["label"]: i for i, entry in enumerate(overlap)}
    with np.load(features / f"{name}.npz") as images, np.load(features / "imagenet.npz") as imagenet:
        shown = np.isin(images["test_l"], list(position))
        x = images["test_f"][shown]
        y = np.array([position[int(label)] for label in images["test_l"][shown]])
        class_texts = imagenet[texts][[entry["imagenet_index"] for entry in overlap]]
    assert (len(x), len(class_texts)) == (n_images, n_classes)
    values = difficulty_measures(x, y, class_texts, logit_scale=100)
    assert values["zero_shot_accuracy"] == pytest.approx(zero_shot, abs=5e-5)
    assert values["relative_transfer_difficulty"] == pytest.approx(1 / n_classes / zero_shot, rel=1e-3)
    assert values["separability_pairwise"] > 1
    assert values["separability_prototype"] > 1
    assert values["zero_shot_margin"] > 0
