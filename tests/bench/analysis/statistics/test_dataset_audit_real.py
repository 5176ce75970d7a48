"""Near-duplicates among real images, and planted wrong labels on features of a real CLIP ViT-B/32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from places import REAL_DATA
from threadpoolctl import threadpool_limits

from bench.analysis.statistics.near_duplicates import SAME_PICTURE, picture_likeness
from bench.analysis.statistics.suspect_labels import audit_labels

pytestmark = pytest.mark.real_data  # test_near_duplicates.py and test_suspect_labels.py have generated data

SAME = [  # found by comparing all pairs; each shows one scene
    ("dtd/images/chequered/chequered_0103.jpg", "dtd/images/chequered/chequered_0178.jpg"),
    ("dtd/images/cobwebbed/cobwebbed_0090.jpg", "dtd/images/cobwebbed/cobwebbed_0108.jpg"),
    ("caltech-101/101_ObjectCategories/ibis/image_0076.jpg", "caltech-101/101_ObjectCategories/ibis/image_0079.jpg"),
    ("caltech-101/101_ObjectCategories/rhino/image_0051.jpg", "caltech-101/101_ObjectCategories/rhino/image_0055.jpg"),
    ("oxford_flowers/jpg/image_01835.jpg", "oxford_flowers/jpg/image_01858.jpg"),
]
OTHER = [  # the most alike pairs of two scenes, or of two shots of one flower
    ("oxford_flowers/jpg/image_05104.jpg", "oxford_flowers/jpg/image_05119.jpg"),
    ("oxford_flowers/jpg/image_02351.jpg", "oxford_flowers/jpg/image_02359.jpg"),
    ("dtd/images/bubbly/bubbly_0143.jpg", "dtd/images/bubbly/bubbly_0130.jpg"),
    ("dtd/images/bubbly/bubbly_0070.jpg", "dtd/images/bubbly/bubbly_0093.jpg"),
]


def pixels(key: str) -> np.ndarray:
    with Image.open(Path(REAL_DATA) / "real" / key) as image:
        return np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR), dtype=np.float32)


@pytest.mark.parametrize(("pairs", "same"), [(SAME, True), (OTHER, False)])
def test_pictures_of_one_scene_are_the_same_and_others_are_not(pairs: list[tuple[str, str]], same: bool) -> None:
    with threadpool_limits(1):
        found = [picture_likeness(pixels(one), pixels(other)) for one, other in pairs]
    assert [likeness >= SAME_PICTURE for likeness in found] == [same] * len(pairs), found


@pytest.mark.parametrize(("name", "recall", "precision"), [("caltech101", 0.8, 0.7), ("oxford_pets", 0.65, 0.6)])
def test_planted_wrong_labels_on_real_features(name: str, recall: float, precision: float) -> None:
    with np.load(REAL_DATA / "features/vitb32" / f"{name}.npz") as arrays:
        features = np.concatenate([arrays[f"{part}_f"].astype(np.float32) for part in ("val", "test")])
        true = np.concatenate([arrays[f"{part}_l"] for part in ("val", "test")]).astype(int)
    rng = np.random.default_rng(0)
    wrong = rng.permutation(len(true))[: len(true) // 20]
    labels, classes = true.copy(), int(true.max()) + 1
    labels[wrong] = (true[wrong] + rng.integers(1, classes, len(wrong))) % classes
    named = {one.image for one in audit_labels(features, labels.tolist()).suspects}
    hits = named & set(wrong.tolist())
    assert len(hits) >= recall * len(wrong)
    assert len(hits) >= precision * len(named)
