"""Closed forms compared with brute force over pairs, and small cases by hand."""

import itertools
import json
import math

import numpy as np
import pytest
from places import REAL_DATA

from bench.analysis.metrics.difficulty import difficulty_measures
from bench.analysis.metrics.scores import ece
from bench.errors import UsageError


def random_case(seed: int, n: int = 30, n_cls: int = 4, dim: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    texts = rng.standard_normal((n_cls, dim)) + 1
    labels = np.concatenate([np.arange(n_cls), rng.integers(0, n_cls, n - n_cls)])
    return texts[labels] + rng.standard_normal((n, dim)), labels, texts


def centre(rows):
    """Mean of the rows, each scaled to length 1."""
    return [mean(column) for column in zip(*([x / math.hypot(*row) for x in row] for row in rows), strict=True)]


def cos(a: np.ndarray, b: np.ndarray) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def mean(values) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def brute_pairwise(features, labels) -> tuple[float, float]:
    classes = sorted(set(labels))
    members = {c: [z for z, label in zip(features, labels, strict=True) if label == c] for c in classes}
    intra = mean(
        mean(cos(a, b) for a, b in itertools.combinations(members[c], 2)) for c in classes if len(members[c]) > 1
    )
    pairs = itertools.combinations(range(len(labels)), 2)
    inter = mean(cos(features[i], features[j]) for i, j in pairs if labels[i] != labels[j])
    return intra, inter


def brute_prototype(features, labels) -> tuple[float, float]:
    classes = sorted(set(labels))
    members = {
        c: [z / np.linalg.norm(z) for z, label in zip(features, labels, strict=True) if label == c] for c in classes
    }
    prototypes = {c: np.mean(members[c], axis=0) for c in classes}
    intra = mean(mean(cos(z, prototypes[c]) for z in members[c]) for c in classes)
    inter = mean(mean(cos(z, prototypes[d]) for z in members[c]) for c in classes for d in classes if c != d)
    return intra, inter


@pytest.mark.parametrize("n_cls", [2, 4, 7])
def test_every_measure_equals_brute_force(n_cls):
    features, labels, texts = random_case(n_cls, n_cls=n_cls)
    cosines = [[cos(z, t) for t in texts] for z in features]
    guess = [max(range(n_cls), key=lambda c: row[c]) for row in cosines]
    accuracy = mean(g == t for g, t in zip(guess, labels, strict=True))
    hits = [(sum(g == t == c for g, t in zip(guess, labels, strict=True)), guess.count(c)) for c in range(n_cls)]
    precision = mean(right / predicted if predicted else 0 for right, predicted in hits)
    intra, inter = brute_pairwise(features, labels)
    near, far = brute_prototype(features, labels)
    scaled = 50 * np.array(cosines)
    others = [[cos(texts[e], texts[j]) for j in range(n_cls) if j != e] for e in range(n_cls)]
    expected = {
        "zero_shot_accuracy": accuracy,
        "chance": 1 / n_cls,
        "relative_transfer_difficulty": 1 / n_cls / accuracy,
        "relative_transfer_difficulty_macro_precision": 1 / n_cls / precision,
        "zero_shot_nll": mean(
            math.log(sum(math.exp(x) for x in row)) - row[t] for row, t in zip(scaled, labels, strict=True)
        ),
        "zero_shot_ece": ece(scaled, labels),
        "zero_shot_margin": mean(
            row[t] - max(x for c, x in enumerate(row) if c != t) for row, t in zip(cosines, labels, strict=True)
        ),
        "separability_pairwise": intra / inter,
        "separability_prototype": near / far,
        "intra_cosine": intra,
        "inter_cosine": inter,
        "text_distance_mean": mean(1 - mean(row) for row in others),
        "text_distance_nearest": mean(1 - max(row) for row in others),
        "domain_distance": math.dist(centre(features), centre(texts)),
    }
    assert difficulty_measures(features, labels, texts, logit_scale=50) == pytest.approx(expected, abs=1e-9)


def test_half_precision_features_are_summed_in_double():
    features, labels, texts = random_case(3, n=2000)
    exact = difficulty_measures(features.astype(np.float16).astype(np.float64), labels, texts, logit_scale=100)
    rounded = difficulty_measures(features.astype(np.float16), labels, texts, logit_scale=100)
    assert rounded == pytest.approx(exact, abs=1e-12)


class TestUndefined:
    def test_zero_accuracy_has_no_difficulty(self):
        values = difficulty_measures(np.eye(2), [1, 0], np.eye(2), logit_scale=100)
        assert values["zero_shot_accuracy"] == 0
        assert values["relative_transfer_difficulty"] is None
        assert values["relative_transfer_difficulty_macro_precision"] is None

    def test_measures_between_classes_are_undefined_for_one_class(self):
        """The new half of three classes is one class."""
        values = difficulty_measures(np.ones((3, 2)), [0, 0, 0], np.ones((1, 2)), logit_scale=100)
        undefined = (
            "zero_shot_margin inter_cosine separability_pairwise separability_prototype text_distance_mean "
            "text_distance_nearest"
        )
        assert {name for name, value in values.items() if value is None} == set(undefined.split())

    def test_one_image_per_class_has_no_intra_class_pair(self):
        features, _, texts = random_case(0, n=4)
        values = difficulty_measures(features, np.arange(4), texts, logit_scale=100)
        assert values["intra_cosine"] is values["separability_pairwise"] is None
        assert values["inter_cosine"] is not None

    def test_a_ratio_to_a_mean_that_is_not_positive_is_undefined(self):
        values = difficulty_measures([[1.0, 0], [1, 0], [-1, 0], [-1, 0]], [0, 0, 1, 1], np.eye(2), logit_scale=100)
        assert values["inter_cosine"] == -1
        assert values["separability_pairwise"] is values["separability_prototype"] is None

    def test_labels_outside_the_class_list_are_errors(self):
        with pytest.raises(UsageError, match=r"0\.\.1, but are int64 from 0"):
            difficulty_measures(np.ones((2, 2)), [0, 2], np.eye(2), logit_scale=100)


@pytest.mark.real_data  # the tests above measure generated features
@pytest.mark.parametrize(
    ("name", "n_images", "n_classes", "texts", "zero_shot"),
    [
        ("oxford_pets", 2283, 23, "text_a", 0.8852),
        ("oxford_pets", 2283, 23, "text_b", 0.9343),
        ("caltech101", 523, 26, "text_a", 0.9656),
        ("caltech101", 523, 26, "text_b", 0.9694),
    ],
)
def test_zero_shot_accuracy_of_real_features(name: str, n_images: int, n_classes: int, texts: str, zero_shot: float):
    """CLIP ViT-B/32 on classes of ImageNet, with both class texts, as docs/real-features.md has them."""
    features = REAL_DATA / "features/vitb32"
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
