"""TDA: two caches of earlier test images correct the zero-shot logits; nothing is trained.

Karmanov et al., "Efficient Test-Time Adaptation of Vision-Language Models", CVPR 2024. Official file: kdiAAA/TDA
`tda_runner.py`. Each image first enters the caches and is then classified, in the order of the stream:

    logits = scale f t' + alpha exp(-beta (1 - f K')) V - alpha_n exp(-beta_n (1 - f K_n')) V_n

The positive cache has the images of lowest entropy for each predicted class, with the class as value. The negative
cache has images of medium entropy; its values mark the classes whose probability is not close to zero. As in the
official code, the entropy in nats is divided by log2 of the number of classes.

The official settings files have an alpha (1 to 5) and a beta (1 to 8) for each dataset; the defaults are ImageNet's. On
ImageNet's variants the official code averages the views of low entropy; here each image has one view.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from datasets_registry import ClassSet
from methods import Batch, Family, Method, MethodInfo, Needs, StreamClassifier, register_method
from methods._parts.feature_space import LogitScaleSetting, TextConfig, template_ensemble


class TDAConfig(TextConfig):
    """Size, weight and sharpness of both caches."""

    size: int = Field(3, ge=0, description="images per class in the positive cache, 0 = no cache; 3 in all configs")
    alpha: float = Field(2.0, ge=0, description="weight of the positive cache; 2, ImageNet's config")
    beta: float = Field(5.0, gt=0, description="sharpness of the positive cache; 5, ImageNet's config")
    negative_size: int = Field(2, ge=0, description="images per class in the negative cache, 0 = no cache; 2")
    negative_alpha: float = Field(0.117, ge=0, description="weight of the negative cache; 0.117 in all configs")
    negative_beta: float = Field(1.0, gt=0, description="sharpness of the negative cache; 1 in all configs")
    entropy: tuple[float, float] = Field(
        (0.2, 0.5), description="range of the divided entropy that enters the negative cache; 0.2 to 0.5"
    )
    mask: tuple[float, float] = Field(
        (0.03, 1.0), description="range of the probability of a class that the negative cache marks; 0.03 to 1"
    )
    logit_scale: LogitScaleSetting = None

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> TDAConfig:
        for name in ("entropy", "mask"):
            low, high = getattr(self, name)
            if low >= high:
                raise ValueError(f"{name}={low},{high} is empty; the first number must be the smaller one.")
        return self


@register_method
class TDA(Method[TDAConfig]):
    """Zero-shot logits plus a positive and minus a negative cache."""

    info = MethodInfo(
        name="tda",
        title="TDA",
        family=Family.TEST_TIME,
        summary="Caches of confident and of uncertain test images correct the zero-shot logits along the stream.",
        citation="""@inproceedings{karmanov2024efficient,
  title = {Efficient Test-Time Adaptation of Vision-Language Models},
  author = {Karmanov, Adilbek and Guan, Dayan and Lu, Shijian and El Saddik, Abdulmotaleb and Xing, Eric},
  booktitle = {CVPR},
  year = {2024}
}""",
        config=TDAConfig,
        open_vocabulary=True,
        needs=frozenset({Needs.FEATURES, Needs.TEST_STREAM}),
    )

    def classifier(self, classes: ClassSet) -> StreamClassifier:
        text = template_ensemble(self.backbone, classes, self.config.templates)
        return _CachedStream(self.config, text, float(self.config.logit_scale or self.backbone.logit_scale))


@dataclass(frozen=True)
class _CachedStream(StreamClassifier):
    """Classifies images one after the other, starting with empty caches."""

    config: TDAConfig
    text: Float[Tensor, "n_cls dim"]
    scale: float

    def over(self, batches: Iterator[Batch]) -> Iterator[Tensor]:
        c, (n_classes, dim) = self.config, self.text.shape
        positive = _Cache.empty(n_classes, c.size, dim, n_classes, self.text)
        negative = _Cache.empty(n_classes, c.negative_size, dim, n_classes, self.text)
        one_hot = torch.eye(n_classes).to(self.text)
        for batch in batches:
            features = F.normalize(batch.features, dim=-1)
            logits = self.scale * features @ self.text.T
            log_p = logits.log_softmax(dim=1)
            entropies = (-log_p.exp() * log_p).sum(dim=1).tolist()
            predicted = logits.argmax(dim=1).tolist()
            found = []
            for i, (entropy, label) in enumerate(zip(entropies, predicted, strict=True)):
                positive.offer(label, entropy, features[i], one_hot[label])
                if c.entropy[0] < entropy / math.log2(n_classes) < c.entropy[1]:
                    p = log_p[i].exp()
                    negative.offer(label, entropy, features[i], ((p > c.mask[0]) & (p < c.mask[1])).to(logits))
                added = c.alpha * positive.similar(features[i], c.beta)
                removed = c.negative_alpha * negative.similar(features[i], c.negative_beta)
                found.append(logits[i] + added - removed)
            yield torch.stack(found)


@dataclass
class _Cache:
    """The images of lowest entropy, at most `size` for each predicted class.

    Args:
        keys: `(n_cls * size, dim)`, normalised.
        values: `(n_cls * size, n_values)`; zeros at a position without an image.
        entries: for each class its pairs of entropy and position, lowest entropy first.
    """

    size: int
    keys: Tensor
    values: Tensor
    entries: dict[int, list[tuple[float, int]]] = field(default_factory=dict)

    @classmethod
    def empty(cls, n_classes: int, size: int, dim: int, n_values: int, like: Tensor) -> _Cache:
        """A cache without images, with the type and device of `like`."""
        return cls(size, like.new_zeros(n_classes * size, dim), like.new_zeros(n_classes * size, n_values))

    def offer(self, label: int, entropy: float, key: Tensor, value: Tensor) -> None:
        """Keep an image if its class has room, or if its entropy is below the highest one of the class."""
        kept = self.entries.setdefault(label, [])
        if len(kept) < self.size:
            place = label * self.size + len(kept)
        elif kept and entropy < kept[-1][0]:
            place = kept.pop()[1]
        else:
            return
        self.keys[place], self.values[place] = key, value
        kept.append((entropy, place))
        kept.sort(key=lambda entry: entry[0])

    def similar(self, feature: Tensor, beta: float) -> Tensor:
        """Sum of the values, weighted by `exp(-beta (1 - cos))`: `(n_values,)`."""
        return (-beta * (1 - self.keys @ feature)).exp() @ self.values
