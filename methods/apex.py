"""APEX: visual prompts, a shallow text prompt and a text adapter, blended with the pretrained model class by class.

Yang, Ko and Yun, "Towards Difficulty-Agnostic Efficient Transfer Learning for Vision-Language Models", EMNLP 2024.
Official file: YangYongJin/APEX `trainers/apex.py`. Training uses the adapter output only. At inference each candidate
class gets an ensemble weight from the distance of its text to those of the training classes in the frozen text space:

    weight(e) = exp(-beta * d_avg(e) * [d_nn(e) > eps])
    text(e)   = weight(e) * A(t(e)) + (1 - weight(e)) * t(e)            t: prompted text before the adapter
    image     = mean(weight) * z + (1 - mean(weight)) * z'              z: prompted, z': pretrained image feature

`weight` is the paper's alpha; all blends are of unnormalised features. The code, which produced the published numbers,
differs from the paper in five points, and each is a setting. Four have the code as default and the paper as the other
value: the nearest class (`nn_distance`), the side of the image weight (`vision_blend`), weight decay and warm-up
(`recipe.weight_decay`, `recipe.warmup`), and training for transfer (the recipe). The fifth is `reference_visual`: the
official reference tower has random untrained prompts by accident; the default is the paper's, which has none. As in the
code, distances are those of the texts `ctx_init {}.` from which the context starts. With a random start or a frozen
text they are those of `a photo of a {}.`.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets_registry import ClassSet
from methods import AdapterConfig, Batch, Classifier, MethodInfo, Sizes, SupportView, register_method
from methods._base.recipe import for_transfer
from methods._parts.apex_parts import (
    APEX_FACTS,
    APEX_RECIPES,
    TRANSFER_DEPTH,
    blended,
    class_distances,
    ensemble_weight,
)
from methods._parts.prompts import TextContext, VisualPrompts, WordedContextConfig
from methods._parts.two_tower_methods import ComposedMethod, Parts
from methods._text.templates import GENERIC60, GENERIC_TEMPLATE

ORACLE_GRID = tuple(i / 10 for i in range(11))
"""Fixed weights that the oracle chooses from: the grid of the paper's Table 13."""


class APEXConfig(WordedContextConfig, AdapterConfig):
    """Settings of APEX. The defaults are those of the published numbers, but with a clean reference tower."""

    n_visual: int = Field(2, ge=1, description="visual tokens per block; 2, paper appendix A")
    visual_depth: int = Field(
        0, ge=0, description="prompted image blocks, 0 = every one (12 base-to-new, 3 cross-dataset)"
    )
    n_text: int = Field(2, ge=1, le=70, description="text tokens; 2, paper appendix A")
    text_depth: int = Field(1, ge=0, description="prompted text blocks; 1, paper appendix A")
    template: Literal["learned", "generic", "dataset", "ensemble60"] = Field(
        "learned", description="text input: two learned tokens, or frozen texts instead (Table 8)"
    )
    ensemble: Literal["none", "text", "visual", "both"] = Field("both", description="which side is blended (Table 7)")
    ensemble_weight: Literal["adaptive", "fixed", "oracle"] = Field(
        "adaptive",
        description="by class distance; one number; or the best number on test, a labelled oracle (Table 13)",
    )
    fixed_weight: float = Field(0.4, ge=0, le=1, description="the one number; 0.4, Table 1")
    beta: float = Field(4.0, ge=0, description="sharpness; 4, Table 12")
    eps: float = Field(0.05, ge=0, description="a class nearer than this counts as trained; 0.05")
    nn_distance: Literal["max", "min"] = Field(
        "max", description="cosine of the nearest class: the largest (code, paper's text) or smallest (paper's eq.)"
    )
    vision_blend: Literal["adapted", "pretrained"] = Field(
        "adapted", description="which image feature gets the mean weight: the adapted (code) or pretrained one (paper)"
    )
    reference_visual: Literal["clean", "random_prompts"] = Field(
        "clean", description="pretrained image tower: clean, or with untrained prompts as the official code has it"
    )

    def parameter_count(self, sizes: Sizes) -> int:
        visual = self.n_visual * sizes.image_width * (self.visual_depth or sizes.image_blocks)
        text = self.n_text * sizes.text_width * (self.text_depth or sizes.text_blocks)
        return visual + (text if self.template == "learned" else 0) + super().parameter_count(sizes)


@register_method
class APEX(ComposedMethod[APEXConfig]):
    """Visual prompts + text prompt + text adapter; an adaptive ensemble with the pretrained model at inference."""

    info = MethodInfo(
        name="apex",
        title="APEX",
        family="ensemble",
        summary="Visual prompts and a text adapter, blended with the pretrained model by a class's distance.",
        version=2,
        config=APEXConfig,
        needs=frozenset({"features", "pixels"}),
        learns_text=True,
        vision_transformer=True,
        prompt_depths={"visual_depth": "image", "text_depth": "text"},
        recipes=APEX_RECIPES,
        config_by_protocol=for_transfer({"visual_depth": TRANSFER_DEPTH}),
        **APEX_FACTS,
    )

    def make_parts(self) -> Parts:
        c, b, g = self.config, self.backbone, self.generator
        return Parts(
            visual_prompts=VisualPrompts(c.n_visual, c.visual_depth, b, g),
            text_context=TextContext(c.n_text, c.text_depth, c.ctx_init, b, g) if c.template == "learned" else None,
            text_adapter=c.make_adapter(b, g),
        )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.reference_prompts: list[Tensor] = []
        if self.config.reference_visual == "random_prompts":
            untrained = VisualPrompts(self.config.n_visual, self.config.visual_depth, self.backbone, self.generator)
            self.reference_prompts = [p.detach().to(self.backbone.device) for p in untrained.layers]

    def tuned_state(self) -> dict[str, Tensor]:
        """The trained tensors, and the random prompts of the reference tower if it has any."""
        reference = {f"reference.{i}": prompt for i, prompt in enumerate(self.reference_prompts)}
        return super().tuned_state() | reference

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        trained = {name: value for name, value in state.items() if not name.startswith("reference.")}
        super().restore_tuned_state(classes, trained)
        self.reference_prompts = [state[f"reference.{i}"] for i in range(len(self.reference_prompts))]

    def prompted_text(self, classes: ClassSet) -> Float[Tensor, "n_cls dim"]:
        match self.config.template:
            case "learned":
                return super().prompted_text(classes)
            case "ensemble60":
                return torch.stack([self.frozen_text(classes, t) for t in GENERIC60]).mean(dim=0)
            case "generic":
                return self.frozen_text(classes, GENERIC_TEMPLATE)
            case "dataset":
                return self.frozen_text(classes, classes.template)

    def train_classifier(self) -> Classifier:
        return super().classifier(self.support_classes)

    def classifier(self, classes: ClassSet) -> Classifier:
        if self.config.ensemble_weight == "adaptive":
            weight = self.adaptive_weight(classes)
        else:
            weight = torch.full((len(classes),), self.config.fixed_weight, device=self.backbone.device)
        return self.blended_classifier(classes, weight)

    def oracle_classifiers(self, classes: ClassSet) -> Mapping[str, Classifier]:
        if self.config.ensemble_weight != "oracle":
            return {}
        full = torch.ones(len(classes), device=self.backbone.device)
        return {f"weight {w:g}": self.blended_classifier(classes, w * full) for w in ORACLE_GRID}

    def class_distances(self, classes: ClassSet) -> tuple[Tensor, Tensor]:
        """Mean and nearest distance of each candidate class to the training classes, each `(n_cls,)`."""
        context = self.trainable.text_context
        template = context.template if context is not None and context.worded else GENERIC_TEMPLATE
        candidates, trained = self.frozen_text(classes, template), self.frozen_text(self.support_classes, template)
        return class_distances(candidates, trained, self.config.nn_distance)

    def adaptive_weight(self, classes: ClassSet) -> Float[Tensor, " n_cls"]:
        """The ensemble weight of each candidate class, in [0, 1]; 1 (adapted model only) for trained classes."""
        return ensemble_weight(*self.class_distances(classes), beta=self.config.beta, eps=self.config.eps)

    def blended_classifier(self, classes: ClassSet, weight: Float[Tensor, " n_cls"]) -> Classifier:
        """Classifier with the given ensemble weights."""
        prompted = self.prompted_text(classes)
        mean_weight = float(weight.mean()) if self.config.ensemble in ("visual", "both") else 1.0
        return blended(
            adapted_text=self.text_features_from(prompted),
            plain_text=prompted,
            text_weight=weight if self.config.ensemble in ("text", "both") else torch.ones_like(weight),
            adapted_image=lambda batch: batch.once(self.image_features),
            plain_image=self.reference_image,
            image_weight=mean_weight if self.config.vision_blend == "adapted" else 1 - mean_weight,
            scale=self.backbone.logit_scale,
        )

    def reference_image(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """The pretrained model's image feature, unnormalised."""
        if self.reference_prompts:
            return self.backbone.encode_image(batch.pixels, prompts=self.reference_prompts)
        return batch.features
