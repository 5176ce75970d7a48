"""Last-block fine-tuning: all weights of the image tower's last block are trained; class texts are frozen.

A baseline of Fahes et al., "CLIP's Visual Embedding Projector is a Few-shot Cornucopia", arXiv 2410.05270, Table 6.
Official file: astra-vision/ProLIP `methods/Last_Layer_FT.py`. The last layer of a ResNet, as in the table, is its
attention pooling; that of a vision transformer is the last block. The official code adds 1/shots times the squared
distance to the initial weights to the loss, but computes it on detached values, so it has no gradient. Here this term
is a setting and off by default. Image features are not normalised in training (`normalise_images`).
"""

import copy

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import EvalProtocol
from methods import Batch, MethodInfo, Sizes, SupportView, register_method
from methods._base.recipe import for_transfer
from methods._parts.two_tower_methods import FINE_TUNING_RECIPE, PROLIP_FACTS, FineTuningConfig, FineTuningMethod
from methods._towers.blocks import view_block
from methods._towers.image_tower import image_views


class LastBlockConfig(FineTuningConfig):
    """How many blocks are trained, and the penalty on their change."""

    blocks: int = Field(1, ge=1, description="trained last blocks, at most all; 1, official code")
    penalty: float = Field(
        0.0, ge=0, description="weight of the squared distance to the initial weights; 0, official code in effect"
    )

    def frozen_blocks(self, sizes: Sizes) -> int:
        return max(0, sizes.image_blocks - self.blocks)

    def parameter_count(self, sizes: Sizes) -> int:
        return min(self.blocks, sizes.image_blocks) * (12 * sizes.image_width + 13) * sizes.image_width


RECIPE = FINE_TUNING_RECIPE.model_copy(
    update={
        "source": "ProLIP configs/experiments/last_layer_ft_lr1e-5.yaml, main_imagenet.py; 1e-4 is the other "
        "published rate; reused for base-to-new and cross-dataset"
    }
)


@register_method
class LastBlockFT(FineTuningMethod[LastBlockConfig]):
    """`scale f t'` with a trained last block."""

    trainable: nn.ModuleList

    info = MethodInfo(
        name="last_block_ft",
        title="Last-block fine-tuning",
        summary="All weights of the image tower's last block, trained against frozen class texts.",
        config=LastBlockConfig,
        needs=frozenset({"hidden"}),
        vision_transformer=True,
        tower_use=frozenset({"image_blocks"}),
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE} | for_transfer(RECIPE),
        **PROLIP_FACTS,
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        tower = self.backbone.image_tower
        image_views(tower)  # raises for a tower without such blocks
        self.first = self.config.frozen_blocks(self.backbone.sizes)
        self.frozen: list[nn.Module] = list(tower.visual.transformer.resblocks)[self.first :]
        self.trainable = nn.ModuleList(copy.deepcopy(self.frozen)).requires_grad_(True)

    def image_features(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        tower = self.backbone.image_tower
        blocks = [*image_views(tower)[: self.first], *map(view_block, self.trainable)]
        tokens = self.backbone.continue_image(batch.hidden(self.first), self.first, blocks=blocks)
        return tower.project_to_joint_space(tower.pool(tokens, 0))

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        loss = super().loss(batch)
        if not self.config.penalty:
            return loss
        pairs = zip(self.trainable.parameters(), nn.ModuleList(self.frozen).parameters(), strict=True)
        distances = [(trained - frozen).square().sum() for trained, frozen in pairs]
        return loss + self.config.penalty * torch.stack(distances).sum()
