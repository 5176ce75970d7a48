"""MMRL: learned tokens in a space that both towers share, inserted into their last blocks.

Guo and Gu, "MMRL: Multi-Modal Representation Learning for Vision-Language Models", CVPR 2025. Official files:
yunncheng/MMRL `trainers/mmrl.py`, `trainers/config.py`, `clip/model_mmrl.py`. One layer per block maps the tokens to a
tower's width (`Representation`). Before the first of these blocks they are inserted after the class token and
after the start of the text; before the later blocks they are replaced. With z the class token's feature, r the feature
of the inserted image tokens (the mean of their normed states, with a separate projection), t the text features, z0 and
t0 the frozen ones,

    loss = a CE(z, t) + (1 - a) CE(r, t) + w [(1 - mean cos(z, z0)) + (1 - mean cos(t, t0))]

The logits of trained classes combine z and r with weights a and 1 - a; those of other classes use z alone. The official
test code treats every target of domain generalisation as new, whatever its classes, so `fused` is off there. Except in
transfer, it has a w for each of CoOp's eleven datasets, and another `dim` for EuroSAT: `BY_DATASET`.
"""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import Batch, Classifier, Recipe, SupportView, cosine_logits, register_method
from methods._backbones.backbone import Backbone
from methods._base.method_info import MethodConfig, MethodInfo, Sizes
from methods._base.recipe import PUBLISHED, PUBLISHED_BY_DATASET, for_transfer
from methods._parts.layers import linear_layer, normal_parameter
from methods._parts.two_tower_methods import TwoTowerMethod
from methods._text.templates import COOP_WORDING


class MMRLConfig(MethodConfig):
    """The tokens, the blocks that get them, and the weight of each term."""

    n_tokens: int = Field(5, ge=1, description="tokens inserted into either tower; 5, MMRL vit_b16.yaml")
    dim: int = Field(512, ge=1, description="width of the shared space; 512, MMRL vit_b16.yaml; 2048 on EuroSAT")
    blocks: int = Field(7, ge=1, description="last blocks of both towers that get tokens, at most all; 7 of 12")
    class_weight: float = Field(0.7, ge=0, le=1, description="weight of class token's logits; 0.7, MMRL vit_b16.yaml")
    weight: float = Field(
        1.0, ge=0, description="weight of the distance to frozen features; 1, MMRL vit_b16.yaml; 0.01 to 7 by dataset"
    )
    fused: bool = Field(True, description="test the trained classes with both logits; off for domain generalisation")

    def frozen_blocks(self, sizes: Sizes) -> int:
        return sizes.image_blocks - min(self.blocks, sizes.text_blocks, sizes.image_blocks)

    def parameter_count(self, sizes: Sizes) -> int:
        changed = min(self.blocks, sizes.text_blocks, sizes.image_blocks)
        maps = changed * (self.dim + 1) * (sizes.text_width + sizes.image_width)
        return self.n_tokens * self.dim + maps + sizes.image_width * sizes.embed_dim


class Representation(nn.Module):
    """The shared tokens, their maps to both towers, and the projection of the image tokens.

    Args:
        blocks: number of blocks of each tower with tokens.
        generator: draws the tokens from N(0, 0.02), the linear layers as torch initialises them, and the projection
            from N(0, 1 / width).
    """

    def __init__(self, n_tokens: int, dim: int, blocks: int, backbone: Backbone, generator: torch.Generator) -> None:
        super().__init__()
        width = backbone.vision_width
        self.tokens = normal_parameter((n_tokens, dim), generator)
        to_image, to_text = linear_layer(dim, width, generator), linear_layer(dim, backbone.text_width, generator)
        self.to_image = nn.ModuleList([copy.deepcopy(to_image) for _ in range(blocks)])
        self.to_text = nn.ModuleList([copy.deepcopy(to_text) for _ in range(blocks)])
        self.projection = normal_parameter((width, backbone.embed_dim), generator, std=width**-0.5)

    def image_tokens(self) -> list[Float[Tensor, "n_tokens width"]]:
        """The image tower's tokens, block by block."""
        return [into(self.tokens) for into in self.to_image]

    def text_tokens(self) -> list[Float[Tensor, "n_tokens width"]]:
        """The text tower's tokens, block by block."""
        return [into(self.tokens) for into in self.to_text]


WEIGHTS = {
    "imagenet": 0.5, "caltech101": 0.5, "oxford_pets": 0.2, "stanford_cars": 7.0, "oxford_flowers": 4.0, "food101": 5.0,
    "fgvc_aircraft": 6.0, "sun397": 6.0, "dtd": 6.0, "eurosat": 0.01, "ucf101": 3.0,
}  # fmt: skip
BY_DATASET: dict[str, dict[str, Any]] = {name: {"weight": weight} for name, weight in WEIGHTS.items()}
"""Settings by dataset for few-shot and base-to-new, MMRL trainers/config.py."""
BY_DATASET["eurosat"]["dim"] = 2048
RECIPE = Recipe(
    name=PUBLISHED_BY_DATASET,
    source="MMRL configs/trainers/MMRL/vit_b16.yaml; ImageNet: vit_b16_imagenet.yaml",
    by_dataset={"imagenet": {"epochs": 5, "batch_size": 32}},
    optimizer="adamw",
    lr=1e-3,
    epochs=10,
    batch_size=4,
    crop_scale=(0.5, 1.0),
)
FEW_SHOT = RECIPE.model_copy(
    update={
        "source": "MMRL configs/trainers/MMRL/vit_b16_few_shot.yaml; ImageNet: vit_b16_imagenet.yaml",
        "epochs": 50,
        "batch_size": 32,
    }
)
TRANSFER = RECIPE.model_copy(
    update={
        "name": PUBLISHED,
        "by_dataset": {},
        "source": "MMRL configs/trainers/MMRL/vit_b16_cross_datasets.yaml",
        "epochs": 1,
        "batch_size": 32,
        "warmup": "none",
    }
)


@register_method
class MMRL(TwoTowerMethod[MMRLConfig]):
    """Cross-entropy of two image features with the same texts, plus the distance of features to the frozen ones."""

    wording = COOP_WORDING
    one_pair = False
    info = MethodInfo(
        name="mmrl",
        title="MMRL",
        family="multimodal prompt",
        summary="Tokens of a space that both towers share, before their last blocks; new classes by the class token.",
        paper="2503.08497",
        code="yunncheng/MMRL",
        citation="""@inproceedings{guo2025mmrl,
  title = {MMRL: Multi-Modal Representation Learning for Vision-Language Models},
  author = {Guo, Yuncheng and Gu, Xiaodong},
  booktitle = {CVPR},
  year = {2025}
}""",
        config=MMRLConfig,
        needs=frozenset({"features", "hidden"}),
        open_vocabulary=True,
        learns_text=True,
        vision_transformer=True,
        tower_use=frozenset({"prompt_states", "text_tokens"}),
        recipes={EvalProtocol.FEW_SHOT: FEW_SHOT, EvalProtocol.BASE_TO_NEW: RECIPE} | for_transfer(TRANSFER),
        config_by_protocol={
            EvalProtocol.FEW_SHOT: {"weight": 0.5, "by_dataset": BY_DATASET},
            EvalProtocol.BASE_TO_NEW: {"by_dataset": BY_DATASET},
            EvalProtocol.CROSS_DATASET: {"weight": 0.2},
            EvalProtocol.DOMAIN_GENERALIZATION: {"weight": 0.2, "fused": False},
        },
    )

    trainable: Representation

    @property
    def kept(self) -> float:
        """Share of a token's own output that stays when the next block's tokens replace it."""
        return 0.0

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        b = self.backbone
        self.first_image = self.config.frozen_blocks(b.sizes)
        n = b.vision_depth - self.first_image
        self.first_text = b.text_depth - n
        self.trainable = self.new_representation(n).to(b.device)

    def new_representation(self, blocks: int) -> Representation:
        """Newly drawn tokens and maps for that many blocks."""
        c = self.config
        return Representation(c.n_tokens, c.dim, blocks, self.backbone, self.generator)

    def text_features(self, classes: ClassSet) -> Tensor:
        hidden = self.frozen_text_hidden(classes, self.class_template(classes), self.first_text)
        return self.backbone.continue_text(hidden, tokens=self.trainable.text_tokens(), kept=self.kept)

    def both_image_features(self, batch: Batch) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        """Features of the class token and of the inserted tokens, unnormalised."""
        tower, n, first = self.backbone.image_tower, self.config.n_tokens, self.first_image
        prompts = self.trainable.image_tokens()
        states = self.backbone.continue_image(batch.hidden(first), first, prompts=prompts, kept=self.kept)
        inserted = tower.prompt_states(states, n).mean(dim=1)
        return tower.project_to_joint_space(tower.pool(states, n)), self.project_inserted(inserted)

    def project_inserted(self, states: Float[Tensor, "batch width"]) -> Float[Tensor, "batch dim"]:
        """Projects the mean of the inserted tokens to the joint space."""
        projected: Tensor = states @ self.trainable.projection
        return projected

    def image_features(self, batch: Batch) -> Tensor:
        return self.both_image_features(batch)[0]

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        c, scale, classes = self.config, self.backbone.logit_scale, self.support_classes
        text, frozen = self.text_features(classes), self.frozen_text(classes, self.class_template(classes))
        image, inserted = self.both_image_features(batch)
        by_class, by_inserted = (
            F.cross_entropy(cosine_logits(f, text, scale), batch.labels) for f in (image, inserted)
        )
        kept = F.cosine_similarity(image, batch.features).mean() + F.cosine_similarity(text, frozen).mean()
        return c.class_weight * by_class + (1 - c.class_weight) * by_inserted + c.weight * (2 - kept)

    def classifier(self, classes: ClassSet) -> Classifier:
        if not self.config.fused or set(classes.names) != set(self.support_classes.names):
            return super().classifier(classes)
        text, scale, share = self.text_features(classes), self.backbone.logit_scale, self.config.class_weight

        def classify(batch: Batch) -> Tensor:
            image, inserted = (cosine_logits(f, text, scale) for f in self.both_image_features(batch))
            return share * image + (1 - share) * inserted

        return classify
