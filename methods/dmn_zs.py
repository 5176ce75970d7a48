"""DMN-ZS: a dynamic memory of earlier test images, read by similarity to the image, beside the class texts.

Zhang et al., "Dual Memory Networks: A Versatile Adaptation Approach for Vision-Language Models", CVPR 2024, without
labelled images (see `dmn` for the memory of labelled ones). Official file: YBZh/DMN `dmn_main.py`. Each image first
enters the memory of its pseudo-label, which has the images of lowest entropy, and is then classified, in the order of
the stream. With a normalised feature f of the plain view, class texts t, and rows m_cj of class c (its images and t_c):

    p   = softmax(scale f t) + share softmax(scale f r)
    r_c = norm(sum_j exp(-beta (1 - f . m_cj)) m_cj)

Pseudo-label and entropy are those of the mean probability of the most confident of the plain view and 31 others. The
official code searches the share on the labels of the test images. Here it is a setting, by default 1, the share of the
text. Official class texts are templates and CuPL's sentences from a language model; `--class-text descriptions:FILE`
gives such sentences, and otherwise the texts are the official templates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Method, MethodInfo, StreamClassifier, register_method
from methods._parts.citations import DMN_PAPER
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
from methods.dmn import OFFICIAL_TEMPLATES
from methods.tda import EntropyCache, similarity

ON_IMAGENET = {"templates": ("select7",), "augmix": False}
"""Settings of ImageNet and its variants."""
PUBLISHED_SETTINGS = {
    "by_dataset": {**OFFICIAL_TEMPLATES, **dict.fromkeys(("imagenet", *sorted(IMAGENET_SHIFTS)), ON_IMAGENET)}
}
"""What differs from the defaults: dmn_main.py, data/imagnet_prompts.py."""


class DMNZSConfig(TextConfig):
    """The memory, its share, and the views that give pseudo-labels."""

    templates: tuple[Template, ...] = templates_setting(
        "own",
        published="own, `a photo of a {}, a type of car.` for Cars, the list select7 for Caltech101, SUN397 and "
        "ImageNet with its variants, each with CuPL's sentences",
    )
    size: int = Field(50, ge=1, description="images per class in the memory; 50 in scripts/run.sh")
    beta: float = Field(5.5, gt=0, description="sharpness of the similarity to the rows; 5.5 in scripts/run.sh")
    share: float = Field(
        1.0,
        gt=0,
        description="share of the memory's probabilities, where those of the text have 1; searched on test "
        "labels in the official code, from 0.001 to 1000",
    )
    views: int = Field(31, ge=1, description="random views beside the plain view; 31 (a batch of 32)")
    augmix: bool = Field(
        True,
        description="whether views are mixed with distorted copies of themselves; not on ImageNet and its variants",
    )
    crop_scale: tuple[float, float] = Field((0.5, 1.0), description="area range of the crops of the views; official")
    selected: float = Field(0.1, gt=0, le=1, description="share of the views, the most confident ones; 0.1")
    logit_scale: LogitScaleSetting = None


@register_method
class DMNZS(Method[DMNZSConfig]):
    """`softmax(text) + share softmax(memory of earlier images)`."""

    info = MethodInfo(
        name="dmn_zs",
        title="DMN-ZS",
        family="test-time",
        summary="Each class is what an image reads, by similarity, from earlier test images and the class's text.",
        paper="2403.17589",
        code="YBZh/DMN",
        uses=("outside texts", "validation labels"),
        citation=DMN_PAPER,
        config=DMNZSConfig,
        open_vocabulary=True,
        needs=frozenset({"features", "test_views", "test_stream"}),
        config_by_protocol={EvalProtocol.TEST_TIME: PUBLISHED_SETTINGS},
    )

    def classifier(self, classes: ClassSet) -> StreamClassifier:
        text = template_ensemble(self.backbone, classes, self.config.templates)
        return StreamClassifier(partial(self.classify_with_memory, text))

    def classify_with_memory(self, text: Float[Tensor, "n_cls dim"], batches: Iterator[Batch]) -> Iterator[Tensor]:
        """Logits of the images one after the other, starting with an empty memory."""
        c, (n_classes, dim) = self.config, text.shape
        scale = c.logit_scale or self.backbone.logit_scale
        memory = EntropyCache.empty(n_classes, c.size, dim, 0, text)
        for batch in batches:
            image = F.normalize(batch.features, dim=-1)
            views = F.normalize(batch.test_views(c.views, c.crop_scale, mixed=c.augmix), dim=-1)
            of_views = scale * torch.cat([image[None], views]) @ text.T
            votes = torch.stack([self.confident(of_views[:, i]) for i in range(len(image))])
            of_memory = []
            for i, (label, nats) in enumerate(zip(votes.argmax(dim=1).tolist(), entropy(votes).tolist(), strict=True)):
                memory.offer(label, nats, image[i], image.new_zeros(0))
                of_memory.append(scale * self.read(memory, image[i], text) @ image[i])
            memory_log_p = torch.stack(of_memory).log_softmax(dim=1) + math.log(c.share)
            yield torch.logaddexp(of_views[0].log_softmax(dim=1), memory_log_p)

    def confident(self, logits: Float[Tensor, "n_views n_cls"]) -> Float[Tensor, " n_cls"]:
        """Logarithms of the mean probability of the most confident views."""
        return log_of_mean(logits[most_confident(logits, self.config.selected)])

    def read(
        self, memory: EntropyCache, image: Float[Tensor, " dim"], text: Float[Tensor, "n_cls dim"]
    ) -> Float[Tensor, "n_cls dim"]:
        """What the image reads from the rows of each class, normalised; a place without an image has zeros."""
        weights = similarity(memory.keys, image, self.config.beta)
        from_memory = (weights[:, None] * memory.keys).reshape(len(text), -1, len(image)).sum(dim=1)
        return F.normalize(from_memory + similarity(text, image, self.config.beta)[:, None] * text, dim=-1)
