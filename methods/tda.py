"""TDA: two caches of earlier test images correct the zero-shot logits; nothing is trained.

Karmanov et al., "Efficient Test-Time Adaptation of Vision-Language Models", CVPR 2024. Official file: kdiAAA/TDA
`tda_runner.py` and `utils.py`. Each image first enters the caches and is then classified, in the order of the stream:

    logits = scale f t' + alpha exp(-beta (1 - f K')) V - alpha_n exp(-beta_n (1 - f K_n')) V_n

The positive cache has the images of lowest entropy for each predicted class, with the class as value. The negative
cache has images of medium entropy; its values mark the classes whose probability is not close to zero. As in the
official code, the entropy in nats is divided by log2 of the number of classes.

Alpha, beta and the class texts differ by dataset, as in the official settings files and dataset modules. The texts are
`select7` for ImageNet, -V2, -A, Caltech101, Cars and SUN397, `imagenet80` for -R and -Sketch, and the dataset's own
template for the others. On ImageNet's variants the official code reads 63 AugMix views beside the plain one and takes
the tenth with the lowest entropies: their mean feature is the key, their mean logits are the zero-shot logits, and the
entropy is that of their mean probability. The official code runs in half precision.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Method, MethodInfo, StreamClassifier, register_method
from methods._parts.feature_methods import (
    IMAGENET_SHIFTS,
    LogitScaleSetting,
    Template,
    TextConfig,
    entropy,
    log_of_mean,
    most_confident,
    template_ensemble,
    templates_setting,
)

_ALPHA_AND_BETA: Mapping[str, tuple[float, float]] = {
    "caltech101": (5.0, 5.0),
    "dtd": (2.0, 3.0),
    "eurosat": (4.0, 8.0),
    "fgvc_aircraft": (2.0, 2.0),
    "food101": (1.0, 1.0),
    "imagenet": (2.0, 5.0),
    "imagenet_a": (2.0, 5.0),
    "imagenet_r": (1.0, 8.0),
    "imagenet_sketch": (2.363, 7.45),
    "imagenet_v2": (1.0, 8.0),
    "oxford_flowers": (1.0, 5.0),
    "oxford_pets": (2.0, 7.0),
    "stanford_cars": (1.0, 7.0),
    "sun397": (2.0, 3.0),
    "ucf101": (3.0, 8.0),
}
"""Alpha and beta of the positive cache by dataset: configs/*.yaml, commit e697fb0."""
_LISTS: Mapping[str, str] = {
    **dict.fromkeys(("caltech101", "imagenet", "imagenet_a", "imagenet_v2", "stanford_cars", "sun397"), "select7"),
    **dict.fromkeys(("imagenet_r", "imagenet_sketch"), "imagenet80"),
}
"""Template lists by dataset: datasets/*.py; other datasets have one template of their own."""
PUBLISHED_BY_DATASET: Mapping[str, Mapping[str, Any]] = {
    name: {"alpha": alpha, "beta": beta} | ({"templates": (_LISTS[name],)} if name in _LISTS else {})
    for name, (alpha, beta) in _ALPHA_AND_BETA.items()
}
"""Published settings by dataset, but for the views."""


class TDAConfig(TextConfig):
    """Size, weight and sharpness of both caches."""

    templates: tuple[Template, ...] = templates_setting("own", published="one of the three, by dataset")
    size: int = Field(3, ge=0, description="images per class in the positive cache, 0 = no cache; 3 in all configs")
    alpha: float = Field(
        2.0, ge=0, description="weight of the positive cache; 1 to 5 by dataset, and 2 for others as for ImageNet"
    )
    beta: float = Field(
        5.0, gt=0, description="sharpness of the positive cache; 1 to 8 by dataset, and 5 for others as for ImageNet"
    )
    negative_size: int = Field(2, ge=0, description="images per class in the negative cache, 0 = no cache; 2")
    negative_alpha: float = Field(0.117, ge=0, description="weight of the negative cache; 0.117 in all configs")
    negative_beta: float = Field(1.0, gt=0, description="sharpness of the negative cache; 1 in all configs")
    entropy: tuple[float, float] = Field(
        (0.2, 0.5), description="range of the divided entropy that enters the negative cache; 0.2 to 0.5"
    )
    mask: tuple[float, float] = Field(
        (0.03, 1.0), description="range of the probability of a class that the negative cache marks; 0.03 to 1"
    )
    views: int = Field(
        0,
        ge=0,
        description="AugMix views beside the plain view; 63 on ImageNet's variants, else 0 "
        "(utils.py, `build_test_data_loader`)",
    )
    crop_scale: tuple[float, float] = Field(
        (0.08, 1.0), description="area range of the crops of the views; torchvision's default"
    )
    selected: float = Field(0.1, gt=0, le=1, description="share of the views, the most confident ones; 0.1")
    logit_scale: LogitScaleSetting = None

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> TDAConfig:
        for name in ("entropy", "mask"):
            low, high = getattr(self, name)
            if low >= high:
                raise ValueError(f"{name}={low},{high} is empty; the first number must be the smaller one.")
        return self


TDAConfigT = TypeVar("TDAConfigT", bound=TDAConfig)


@register_method
class TDA(Method[TDAConfigT]):
    """Zero-shot logits plus a positive and minus a negative cache."""

    mixed: ClassVar[bool] = True
    """Whether views are mixed with distorted copies of themselves."""
    newest: ClassVar[bool] = False
    """Whether the negative cache keeps the newest images of a class, not those of lowest entropy."""

    info = MethodInfo(
        name="tda",
        title="TDA",
        family="test-time",
        summary="Caches of confident and of uncertain test images correct the zero-shot logits along the stream.",
        paper="2403.18293",
        code="kdiAAA/TDA",
        citation="""@inproceedings{karmanov2024efficient,
  title = {Efficient Test-Time Adaptation of Vision-Language Models},
  author = {Karmanov, Adilbek and Guan, Dayan and Lu, Shijian and El Saddik, Abdulmotaleb and Xing, Eric},
  booktitle = {CVPR},
  year = {2024}
}""",
        config=TDAConfig,
        config_by_protocol={
            EvalProtocol.TEST_TIME: {
                "by_dataset": {
                    name: {**own, **({"views": 63} if name in IMAGENET_SHIFTS else {})}
                    for name, own in PUBLISHED_BY_DATASET.items()
                }
            }
        },
        open_vocabulary=True,
        needs=frozenset({"features", "test_stream"}),
    )

    def classifier(self, classes: ClassSet) -> StreamClassifier:
        text = template_ensemble(self.backbone, classes, self.config.templates)
        return StreamClassifier(partial(self.classify_with_caches, text, averaged=self.averages_views(classes)))

    def averages_views(self, classes: ClassSet) -> bool:
        """Whether the mean of the confident views stands for an image, and not its plain view."""
        return True

    def classify_with_caches(
        self, text: Float[Tensor, "n_cls dim"], batches: Iterator[Batch], *, averaged: bool
    ) -> Iterator[Tensor]:
        """Logits of the images one after the other, starting with empty caches."""
        c, (n_classes, dim) = self.config, text.shape
        positive = EntropyCache.empty(n_classes, c.size, dim, n_classes, text)
        negative = EntropyCache.empty(n_classes, c.negative_size, dim, n_classes, text, newest=self.newest)
        one_hot = torch.eye(n_classes).to(text)
        for batch in batches:
            features, logits, log_p, views = self.seen(batch, text, averaged=averaged)
            entropies = entropy(log_p).tolist()
            predicted = logits.argmax(dim=1).tolist()
            adapted = []
            for i, (nats, label) in enumerate(zip(entropies, predicted, strict=True)):
                positive.offer(label, nats, features[i], one_hot[label])
                if c.entropy[0] < nats / math.log2(n_classes) < c.entropy[1]:
                    p = log_p[i].exp()
                    negative.offer(label, nats, features[i], ((p > c.mask[0]) & (p < c.mask[1])).to(logits))
                added = c.alpha * self.positive_votes(positive, features[i], *views[i])
                removed = c.negative_alpha * negative.similar(features[i], c.negative_beta)
                adapted.append(logits[i] + added - removed)
            yield torch.stack(adapted)

    def positive_votes(self, cache: EntropyCache, feature: Tensor, views: Tensor, logits: Tensor) -> Tensor:
        """Votes of the positive cache `(n_cls,)`, given the confident views of the image and their logits."""
        return cache.similar(feature, self.config.beta)

    def seen(
        self, batch: Batch, text: Float[Tensor, "n_cls dim"], *, averaged: bool
    ) -> tuple[Tensor, Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
        """Features `(batch, dim)`, logits and log-probabilities `(batch, n_cls)`, and each image's confident views.

        The features of one view are normalised; their mean over several views is not, as in the official code.
        """
        c, views = self.config, F.normalize(batch.features, dim=-1)[None]
        if c.views:
            further_views = batch.test_views(c.views, c.crop_scale, mixed=self.mixed)
            views = torch.cat([views, F.normalize(further_views, dim=-1)])
        logits = (c.logit_scale or self.backbone.logit_scale) * views @ text.T
        confident = [self.confident(views[:, i], logits[:, i]) for i in range(views.shape[1])]
        if not c.views or not averaged:
            return views[0], logits[0], logits[0].log_softmax(dim=1), confident
        means = [
            (image_views.mean(dim=0), view_logits.mean(dim=0), log_of_mean(view_logits))
            for image_views, view_logits in confident
        ]
        features, zero_shot, log_p = (torch.stack(rows) for rows in zip(*means, strict=True))
        return features, zero_shot, log_p, confident

    def confident(self, views: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The confident views of one image, and their logits."""
        if len(views) == 1:
            return views, logits
        chosen = most_confident(logits, self.config.selected)
        return views[chosen], logits[chosen]


@dataclass
class EntropyCache:
    """The images of lowest entropy, or the newest ones, at most `size` for each predicted class.

    Args:
        keys: `(n_cls * size, dim)`: normalised features, or means of normalised features over views.
        values: `(n_cls * size, n_values)`; zeros at a position without an image.
        entries: for each class its pairs of entropy and position, lowest entropy first.
    """

    size: int
    keys: Tensor
    values: Tensor
    newest: bool
    entries: dict[int, list[tuple[float, int]]] = field(default_factory=dict)

    @classmethod
    def empty(
        cls, n_classes: int, size: int, dim: int, n_values: int, like: Tensor, *, newest: bool = False
    ) -> EntropyCache:
        """A cache without images, with the type and device of `like`."""
        return cls(size, like.new_zeros(n_classes * size, dim), like.new_zeros(n_classes * size, n_values), newest)

    def offer(self, label: int, entropy: float, key: Tensor, value: Tensor) -> None:
        """Keep an image if its class has room, or if its entropy is below the highest one of the class."""
        entries = self.entries.setdefault(label, [])
        if self.newest:
            entropy = entries[0][0] - 1 if entries else 0.0  # below those of all earlier images
        if len(entries) < self.size:
            place = label * self.size + len(entries)
        elif entries and entropy < entries[-1][0]:
            place = entries.pop()[1]
        else:
            return
        self.keys[place], self.values[place] = key, value
        entries.append((entropy, place))
        entries.sort(key=lambda entry: entry[0])

    def similar(self, feature: Tensor, beta: float) -> Tensor:
        """Sum of the values, weighted by `exp(-beta (1 - cos))`: `(n_values,)`."""
        return similarity(self.keys, feature, beta) @ self.values


def similarity(keys: Float[Tensor, "n dim"], feature: Float[Tensor, " dim"], beta: float) -> Float[Tensor, " n"]:
    """`exp(-beta (1 - cos))` of each key."""
    return (-beta * (1 - keys @ feature)).exp()
