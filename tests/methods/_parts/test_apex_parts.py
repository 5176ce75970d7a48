"""The adaptive ensemble: distances, weights and blends, by hand on features of two dimensions."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from methods import Batch, Classifier
from methods._parts.apex_parts import blended
from methods.apex import class_distances, ensemble_weight

TRAINED = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
CANDIDATES = torch.tensor([[5.0, 0.0], [3.0, 4.0]])


def test_distances_are_one_minus_the_cosine():
    """Cosines of the candidates to the two trained classes: (1, 0) and (0.6, 0.8)."""
    mean, nearest = class_distances(CANDIDATES, TRAINED, "max")
    torch.testing.assert_close(mean, torch.tensor([0.5, 0.3]))
    torch.testing.assert_close(nearest, torch.tensor([0.0, 0.2]))
    mean, farthest = class_distances(CANDIDATES, TRAINED, "min")
    torch.testing.assert_close(mean, torch.tensor([0.5, 0.3]))
    torch.testing.assert_close(farthest, torch.tensor([1.0, 0.4]))


def test_the_weight_falls_with_the_mean_distance_beyond_eps():
    weight = ensemble_weight(torch.tensor([0.5, 0.5, 0.3]), torch.tensor([0.04, 0.05, 0.2]), beta=4.0, eps=0.05)
    torch.testing.assert_close(weight, torch.tensor([1.0, 1.0, math.exp(-1.2)]))


def blend(image_weight: float, **changes: Any) -> Classifier:
    def unused(_: object) -> torch.Tensor:
        raise AssertionError("a tower without a share ran")

    values: dict[str, Any] = {
        "adapted_text": torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        "plain_text": torch.tensor([[0.0, 1.0], [1.0, 0.0]]),
        "text_weight": torch.tensor([1.0, 0.25]),
        "adapted_image": unused,
        "plain_image": unused,
        "image_weight": image_weight,
        "scale": 10.0,
    }
    return blended(**(values | changes))


def logits_by_hand(image: torch.Tensor) -> torch.Tensor:
    """The blended texts are (1, 0) and (0.75, 0.25)."""
    text = torch.tensor([[1.0, 0.0], [0.75, 0.25]])
    return 10 * F.normalize(image, dim=1) @ F.normalize(text, dim=1).T


ADAPTED, PLAIN = torch.tensor([[3.0, 1.0]]), torch.tensor([[0.0, 2.0]])


@pytest.mark.parametrize(
    ("weight", "towers", "image"),
    [
        (0.25, {"adapted_image": lambda _: ADAPTED, "plain_image": lambda _: PLAIN}, 0.25 * ADAPTED + 0.75 * PLAIN),
        (1.0, {"adapted_image": lambda _: ADAPTED}, ADAPTED),
        (0.0, {"plain_image": lambda _: PLAIN}, PLAIN),
    ],
)
def test_the_blend_is_linear_in_both_features(weight: float, towers: dict[str, Any], image: torch.Tensor):
    """At an end, the tower without a share does not run."""
    batch = Batch(None, features=lambda: PLAIN, pixels=lambda: PLAIN, needs=frozenset())
    torch.testing.assert_close(blend(weight, **towers)(batch), logits_by_hand(image))
