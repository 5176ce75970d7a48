"""PLOT++: several text prompts and several visual prompts, matched by optimal transport.

Chen et al., "PLOT: Prompt Learning with Optimal Transport for Vision-Language Models", ICLR 2023; this is its version
for vision transformers. Official files: CHENGY12/PLOT `plot-pp/trainers/plotpp.py`, `plot-pp/clip/model.py`,
`plot-pp/train.py`. Each of M visual prompts enters the image tower separately and gives an image feature at the class
token. (No patch tokens are matched, unlike in PLOT on a ResNet.) Each of N text prompts gives a text feature per class.
Logits are `scale * sum(T * cos)` with T the entropic plan between an image's M and a class's N features. There are two
training stages, each with all epochs of the recipe:

    visual prompts alone, texts at their words:   logits + scale * cos(mean image feature, mean text feature)
    both together:                                logits, as at test

The official code uses the first stage of seed 1 for all seeds; here every run trains its own. The official stopping
rule applies to a whole batch, ours to each pair. On ImageNet a prompt of four vectors starts from the three words `this
is a` and the end of the text, so that it replaces the first token of each class name, as in the official code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Classifier, Recipe, Sizes, SupportView, TrainableMethod, cosine_logits, register_method
from methods._base.method_info import MethodConfig, MethodInfo
from methods._base.recipe import PUBLISHED_BY_DATASET, for_transfer
from methods._parts.layers import normal_parameter
from methods._parts.prompts import context_from_words
from methods._text.prompt_embeddings import overwrite_leading
from methods._text.templates import GENERIC_TEMPLATE, PLOT_WORDINGS, worded


def sinkhorn(kernel: Float[Tensor, "*pairs m n"], *, iterations: int, tolerance: float) -> Float[Tensor, "*pairs m n"]:
    """Transport plans with uniform marginals, by Sinkhorn's alternating scaling.

    Each pair stops separately once its row scaling changes by less than `tolerance` on average, so a plan does not
    depend on the other pairs in its batch. Columns are scaled last, so their sums are exact.

    Args:
        kernel: `exp(-cost / eps)` of each pair of sets.
        tolerance: mean absolute change of the row scaling.
    """
    m, n = kernel.shape[-2:]
    rows, columns = torch.ones_like(kernel[..., 0]), torch.ones_like(kernel[..., 0, :])
    running = torch.ones_like(rows[..., :1], dtype=torch.bool)
    for _ in range(iterations):
        scaled = 1 / (m * (kernel * columns[..., None, :]).sum(dim=-1))
        moved = (scaled - rows).abs().mean(dim=-1, keepdim=True)
        rows = torch.where(running, scaled, rows)
        columns = torch.where(running, 1 / (n * (kernel * rows[..., None]).sum(dim=-2)), columns)
        running = running & (moved >= tolerance)
        if kernel.device.type == "cpu" and not running.any():
            break  # not on a GPU, which this would have to wait for; plans that have stopped do not change there
    return rows[..., None] * kernel * columns[..., None, :]


def transported_cosine(
    images: Float[Tensor, "m batch dim"],
    texts: Float[Tensor, "n n_cls dim"],
    *,
    eps: float,
    iterations: int,
    tolerance: float,
) -> Float[Tensor, "batch n_cls"]:
    """Mean cosine of an image's m features and a class's n features under the plan of cost `1 - cosine`.

    No gradient flows through the plan.
    """
    cosine = torch.einsum("mbd,ncd->bcmn", F.normalize(images, dim=-1), F.normalize(texts, dim=-1))
    with torch.no_grad():
        plan = sinkhorn(torch.exp((cosine - 1) / eps), iterations=iterations, tolerance=tolerance)
    return (plan * cosine).sum(dim=(-2, -1))


class PLOTPPConfig(MethodConfig):
    """The prompts and the transport between their features."""

    n_text: int = Field(4, ge=1, description="text prompts; 4, PLOT++ scripts")
    n_image: int = Field(4, ge=1, description="visual prompts; 4, its README")
    n_ctx: int = Field(4, ge=1, le=70, description="vectors of a text prompt; 4. With `worded_init`: the words, 4 to 6")
    n_visual: int = Field(2, ge=1, description="tokens of a visual prompt; 2, PLOT++ scripts")
    worded_init: bool = Field(True, description="text prompts start at the dataset's published words, or N(0, 0.02)")
    eps: float = Field(0.1, gt=0, description="entropy of the transport; 0.1, plotpp.py")
    iterations: int = Field(100, ge=1, description="most iterations of Sinkhorn; 100, plotpp.py")
    tolerance: float = Field(0.01, ge=0, description="change of the row scaling below which it stops; 0.01, plotpp.py")

    @model_validator(mode="after")
    def _words_suffice(self) -> PLOTPPConfig:
        if self.worded_init and self.n_text > len(PLOT_WORDINGS[GENERIC_TEMPLATE]):
            raise ValueError("there are only words for 4 text prompts; set n_text to at most 4, or worded_init=false.")
        return self

    def unused_settings(self) -> dict[str, str]:
        return {"n_ctx": "prompts start at words; set worded_init=false as well"} if self.worded_init else {}

    def parameter_count(self, sizes: Sizes) -> int:
        return self.n_text * self.n_ctx * sizes.text_width + self.n_image * self.n_visual * sizes.image_width


def initial_words(classes: ClassSet) -> Sequence[str]:
    """The words that the text prompts start from."""
    return worded(PLOT_WORDINGS, classes) or PLOT_WORDINGS[GENERIC_TEMPLATE]


RECIPE = Recipe(
    name=PUBLISHED_BY_DATASET,
    source="PLOT++ configs/trainers/PLOTPP/vit.yaml, train.py (epochs of each stage); printed for few-shot, reused for "
    "base-to-new",
    epochs=200,
    epochs_by_shots={1: 50, 2: 100, 4: 100},
    by_dataset={"imagenet": {"epochs": 50}},
)
IMAGENET = Recipe(source="PLOT++ train.py, epochs of each stage on ImageNet", epochs=50)


@register_method
class PLOTPP(TrainableMethod[PLOTPPConfig]):
    """`scale * sum(T * cos)` over an image's and a class's features."""

    info = MethodInfo(
        name="plot_pp",
        version=2,
        title="PLOT++",
        family="multimodal prompt",
        summary="Several text prompts and visual prompts, their features matched by optimal transport.",
        paper="2210.01253",
        code="CHENGY12/PLOT",
        citation="""@inproceedings{chen2023plot,
  title = {PLOT: Prompt Learning with Optimal Transport for Vision-Language Models},
  author = {Chen, Guangyi and Yao, Weiran and Song, Xiangchen and Li, Xinyue and Rao, Yongming and Zhang, Kun},
  booktitle = {ICLR},
  year = {2023}
}""",
        config=PLOTPPConfig,
        needs=frozenset({"pixels"}),
        open_vocabulary=True,
        learns_text=True,
        vision_transformer=True,
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE} | for_transfer(IMAGENET),
    )

    trainable: nn.ParameterDict
    """The prompts of `text` `(n_text, n_ctx, width)` and of `image` `(n_image, n_visual, width)`."""

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c, b = self.config, self.backbone
        if c.worded_init:
            words = initial_words(support.classes)
            self.wordings = list(words[: c.n_text])
            text = torch.stack([context_from_words(each, b, len(words[0].split())) for each in self.wordings])
        else:
            self.wordings = [" ".join(["X"] * c.n_ctx)] * c.n_text
            text = normal_parameter((c.n_text, c.n_ctx, b.text_width), self.generator)
        image = normal_parameter((c.n_image, c.n_visual, b.vision_width), self.generator)
        self.trainable = nn.ParameterDict([("text", text), ("image", image)]).to(b.device)
        self.begin_stage(0)

    def stages(self) -> tuple[float, ...]:
        return (1.0, 1.0)

    def begin_stage(self, stage: int) -> None:
        self.stage = stage
        with torch.no_grad():  # constant in the first stage, so computed once
            self.initial_texts = None if stage else self.text_sets(self.support_classes)

    def parameter_groups(self) -> list[dict[str, Any]]:
        part = self.trainable
        return [{"params": [part["text"], part["image"]] if self.stage else [part["image"]]}]

    def text_sets(self, classes: ClassSet) -> Float[Tensor, "n_text n_cls dim"]:
        """Unnormalised features of each class under each text prompt."""
        texts = [self.backbone.class_tokens(classes, words + " {}.") for words in self.wordings]
        prompts = [overwrite_leading(each, ctx) for each, ctx in zip(texts, self.trainable["text"], strict=True)]
        return torch.stack([self.backbone.encode_prompts(each) for each in prompts])

    def image_sets(self, batch: Batch) -> Float[Tensor, "n_image batch dim"]:
        """Unnormalised features of each image under each visual prompt."""
        return torch.stack(
            [self.backbone.encode_image(batch.pixels, prompts=[each]) for each in self.trainable["image"]]
        )

    def classifier(self, classes: ClassSet) -> Classifier:
        texts = self.text_sets(classes)
        return lambda batch: self.transported(self.image_sets(batch), texts)

    def train_classifier(self) -> Classifier:
        if (texts := self.initial_texts) is None:
            return self.classifier(self.support_classes)
        pooled = texts.mean(dim=0)

        def classify(batch: Batch) -> Tensor:
            images = self.image_sets(batch)
            plain = cosine_logits(images.mean(dim=0), pooled, self.backbone.logit_scale)
            return self.transported(images, texts) + plain

        return classify

    def transported(self, images: Tensor, texts: Tensor) -> Float[Tensor, "batch n_cls"]:
        """Logits from the transport between both sets of features."""
        c = self.config
        return self.backbone.logit_scale * transported_cosine(
            images, texts, eps=c.eps, iterations=c.iterations, tolerance=c.tolerance
        )
