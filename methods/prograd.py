"""ProGrad: CoOp whose gradient steps never oppose the zero-shot model.

Zhu et al., "Prompt-aligned Gradient for Prompt Tuning", ICCV 2023. Official files: BeierZhu/Prompt-align
`trainers/prograd.py` and the gradient surgery in its fork of Dassl. Let g be the gradient of the cross-entropy and h
that of the divergence from the zero-shot predictions, over the whole context. If <g, h> < 0, the step uses
`g - weight * <g, h> h / |h|^2`, otherwise g. The divergence is a soft cross-entropy times T^2, which has the same
gradient. With words, the last vectors start at the dataset's words and the vectors before them at zero. Words are
counted by spaces, so a template with a comma leaves its last word outside the context, frozen, as in the official code.
The paper's base-to-new numbers are of 4 shots (`--shots 4`).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from datasets_registry import BenchError, EvalProtocol
from methods import Batch, MethodInfo, Recipe, Sizes, SupportView, cosine_logits, register_method
from methods._base.recipe import PUBLISHED_BY_DATASET
from methods._parts.layers import normal_parameter
from methods._parts.prompts import Context, WordedContextConfig, context_from_words, word_count
from methods._parts.two_tower_methods import ContextMethod
from methods._text.templates import PROGRAD_WORDING


class ProGradConfig(WordedContextConfig):
    """The context, and how the two gradients are combined."""

    n_ctx: int = Field(16, ge=1, le=70, description="context vectors; 16, ProGrad scripts")
    ctx_init: str = Field("", description="words in place of the dataset's, which are published")
    worded_init: bool = Field(True, description="words in the last slots (published), or N(0, 0.02)")
    class_specific: bool = Field(False, description="a context for each class; ties the method to its classes")
    weight: float = Field(
        1.0,
        ge=0,
        description="lambda; 1, ProGrad scripts; 0.8 for few-shot Flowers, DTD and EuroSAT with 8 and 16 shots, README",
    )
    temperature: float = Field(1.0, gt=0, description="temperature of the divergence; 1, paper section 4")

    def closed_vocabulary(self) -> bool:
        return self.class_specific

    @model_validator(mode="after")
    def _words_are_shared(self) -> ProGradConfig:
        if self.class_specific and self.worded_init:
            raise ValueError("class_specific contexts start at random; set worded_init=false or drop class_specific.")
        return self

    def parameter_count(self, sizes: Sizes) -> int:
        return self.n_ctx * sizes.text_width * (sizes.n_classes if self.class_specific else 1)


RECIPE: dict[str, Any] = {"source": "ProGrad configs/trainers/ProGrad, scripts; trained on RN50 there", "epochs": 100}
BY_DATASET = {
    "name": PUBLISHED_BY_DATASET,
    "source": f"{RECIPE['source']}; README.md and eval.sh (ImageNet: 50 epochs)",
    "by_dataset": {"imagenet": {"epochs": 50}},
}


@register_method
class ProGrad(ContextMethod[ProGradConfig]):
    """CoOp with gradient surgery."""

    wording = PROGRAD_WORDING
    info = MethodInfo(
        name="prograd",
        title="ProGrad",
        family="text prompt",
        summary="CoOp whose gradient loses the part that contradicts the zero-shot predictions.",
        paper="2205.14865",
        code="BeierZhu/Prompt-align",
        citation="""@inproceedings{zhu2023prograd,
  title = {Prompt-aligned Gradient for Prompt Tuning},
  author = {Zhu, Beier and Niu, Yulei and Han, Yucheng and others},
  booktitle = {ICCV},
  year = {2023}
}""",
        config=ProGradConfig,
        open_vocabulary=True,
        learns_text=True,
        recipes={
            EvalProtocol.FEW_SHOT: Recipe(
                **RECIPE | BY_DATASET, epochs_by_shots={1: 50, 2: 100, 4: 100, 8: 200, 16: 200}
            ),
            EvalProtocol.BASE_TO_NEW: Recipe(**RECIPE | BY_DATASET),
        },
        config_by_protocol={
            EvalProtocol.FEW_SHOT: {
                "by_dataset": {
                    f"{name}@{shots}": {"weight": 0.8}
                    for name in ("oxford_flowers", "dtd", "eurosat")
                    for shots in (8, 16)
                }
            }
        },
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        c, width = self.config, self.backbone.text_width
        words = c.ctx_init.replace("_", " ") or self.class_template(support.classes).partition("{}")[0].strip()
        if c.worded_init and words:
            n_words = word_count(words)
            front = c.n_ctx - n_words
            if front < 0:
                raise BenchError(
                    f"n_ctx={c.n_ctx} has no room for the {n_words} words {words!r}; set n_ctx to at least {n_words}."
                )
            ctx = torch.cat([torch.zeros(front, width), context_from_words(words, self.backbone).cpu()])
            context = Context(ctx, placeholders=" ".join([*["X"] * front, words]))
        else:
            shape = (len(support.classes), c.n_ctx, width) if c.class_specific else (c.n_ctx, width)
            context = Context(normal_parameter(shape, self.generator))
        self.trainable = context.to(self.backbone.device)

    def backward(self, batch: Batch) -> Tensor:
        logits = self.train_classifier()(batch)
        teacher = self.frozen_text(self.support_classes, self.class_template(self.support_classes))
        zero_shot = cosine_logits(batch.features, teacher, self.backbone.logit_scale)
        loss = F.cross_entropy(logits, batch.labels)
        t = self.config.temperature
        divergence = F.cross_entropy(logits / t, (zero_shot / t).softmax(dim=-1)) * t**2
        ctx = self.trainable.ctx
        (task,) = torch.autograd.grad(loss, ctx, retain_graph=True)
        (general,) = torch.autograd.grad(divergence, ctx)
        ctx.grad = aligned_gradient(task, general, self.config.weight)
        return loss


def aligned_gradient(
    task: Float[Tensor, "*shape"], general: Float[Tensor, "*shape"], weight: float
) -> Float[Tensor, "*shape"]:
    """`task` minus `weight` times its projection on `general` if their inner product is negative, else `task`."""
    direction = general / general.norm()
    along = (task * direction).sum()
    # no `if`, which would wait for a GPU
    return torch.where(along < 0, task - weight * along * direction, task)
