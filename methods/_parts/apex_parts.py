"""What other methods use of APEX: its training settings, and its ensemble with weights by class distance."""

from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from datasets_registry import EvalProtocol
from methods._base.batch import Batch, Classifier
from methods._base.method import cosine_logits
from methods._base.recipe import PUBLISHED, PUBLISHED_BY_DATASET, Recipe
from methods._parts.layers import AdapterConfig

_SETTINGS = Recipe(
    name=PUBLISHED_BY_DATASET,
    source="APEX configs/trainers/APEX; ImageNet: 5 epochs, as in the paper, "
    "vit_b16_c2_ep5_batch16_2+2ctx_imagenet.yaml and the test script. Weight decay and warm-up are in the code alone; "
    "it is the default, since its numbers are the published ones, and the paper's are recipe.weight_decay=0 and "
    "recipe.warmup=none",
    optimizer="adadelta",
    lr=0.15,
    weight_decay=1e-3,
    epochs=15,
    by_dataset={"imagenet": {"epochs": 5}},
    batch_size=16,
    warmup="linear",
    warmup_lr=0.01,
)
APEX_RECIPES = {
    EvalProtocol.BASE_TO_NEW: _SETTINGS,
    EvalProtocol.FEW_SHOT: _SETTINGS.model_copy(
        update={"source": _SETTINGS.source + "; not printed for few-shot, reused"}
    ),
}
_TRANSFER = _SETTINGS.model_copy(
    update={
        "name": PUBLISHED,
        "by_dataset": {},
        "source": "APEX configs/trainers/APEX/cross_eval.yaml; no augmentation: there a plain resize, here the centre "
        "view. The paper has the settings of base-to-new on ImageNet: recipe.lr=0.15, recipe.epochs=5, "
        "recipe.batch_size=16, recipe.augment=true; the code is the default, since its numbers are the published ones",
        "lr": 0.02,
        "epochs": 6,
        "batch_size": 32,
        "warmup_lr": 1e-3,
        "augment": False,
    }
)
APEX_RECIPES |= {EvalProtocol.CROSS_DATASET: _TRANSFER, EvalProtocol.DOMAIN_GENERALIZATION: _TRANSFER}
TRANSFER_DEPTH = 3
"""Prompted image blocks of both transfer protocols, APEX section 4 (12 for base-to-new)."""
PART_RECIPES = {
    protocol: recipe.model_copy(update={"source": "the paper prints no settings for its component analysis; APEX's"})
    for protocol, recipe in APEX_RECIPES.items()
}
APEX_CITATION = """@inproceedings{yang2024apex,
  title = {Towards Difficulty-Agnostic Efficient Transfer Learning for Vision-Language Models},
  author = {Yang, Yongjin and Ko, Jongwoo and Yun, Se-Young},
  booktitle = {EMNLP},
  year = {2024},
  note = {arXiv 2311.15569}
}"""
APEX_FACTS: dict[str, Any] = {
    "paper": "2311.15569",
    "code": "YangYongJin/APEX",
    "citation": APEX_CITATION,
    "open_vocabulary": True,
}
PART_FACTS = APEX_FACTS | {"recipes": PART_RECIPES}
"""Facts of the methods of the paper's component analysis."""
ADAPTER_FACTS = PART_FACTS | {
    "family": "feature adapter",
    "config": AdapterConfig,
    "starts_as_zero_shot": {"adapter": "linear"},
}
"""Facts of an adapter on frozen towers."""


def class_distances(
    candidates: Float[Tensor, "n_cls dim"], trained: Float[Tensor, "n_trained dim"], nearest: Literal["max", "min"]
) -> tuple[Float[Tensor, " n_cls"], Float[Tensor, " n_cls"]]:
    """Mean and nearest cosine distance of each candidate's text to those of the training classes.

    Args:
        candidates: frozen text features, of any norm.
        nearest: cosine of the nearest class: the largest, or the smallest, as in the paper's equation.
    """
    cosine = F.normalize(candidates, dim=-1) @ F.normalize(trained, dim=-1).T
    closest = cosine.amax(dim=1) if nearest == "max" else cosine.amin(dim=1)
    return 1 - cosine.mean(dim=1), 1 - closest


def ensemble_weight(
    mean_distance: Float[Tensor, " n_cls"], nearest_distance: Float[Tensor, " n_cls"], *, beta: float, eps: float
) -> Float[Tensor, " n_cls"]:
    """`exp(-beta * mean * [nearest > eps])`; 1 (adapted model only) for trained classes."""
    return torch.exp(-beta * mean_distance * (nearest_distance > eps))


def blended(
    *,
    adapted_text: Float[Tensor, "n_cls dim"],
    plain_text: Float[Tensor, "n_cls dim"],
    text_weight: Float[Tensor, " n_cls"],
    adapted_image: Callable[[Batch], Tensor],
    plain_image: Callable[[Batch], Tensor],
    image_weight: float,
    scale: float,
) -> Classifier:
    """A classifier that blends two models; all features are unnormalised. An image tower with weight 0 does not run.

    Args:
        text_weight: share of the adapted text, per class.
        adapted_image: image features of the adapted model; not computed if its share is 0.
        plain_image: image features of the other model; not computed if the adapted share is 1.
        image_weight: share of the adapted image features.
    """

    def classify(batch: Batch) -> Float[Tensor, "batch n_cls"]:
        image: Tensor | float = 0.0
        if image_weight > 0:
            image = image_weight * adapted_image(batch)
        if image_weight < 1:
            image = image + (1 - image_weight) * plain_image(batch)
        weight = text_weight[:, None]
        text = weight * adapted_text + (1 - weight) * plain_text
        assert isinstance(image, Tensor)
        return cosine_logits(image, text, scale)

    return classify
