"""Full fine-tuning: all weights of the image tower are trained; class texts are frozen.

A baseline of Fahes et al., "CLIP's Visual Embedding Projector is a Few-shot Cornucopia", arXiv 2410.05270, Table 6.
Official file: astra-vision/ProLIP `methods/Full_FT.py`. The table uses a ResNet and also trains its projection. Here
the projection of every tower is trained; for a vision transformer the official code multiplies by a detached
projection. Batch norms keep their statistics. Image features are not normalised in training (`normalise_images`).

Luo et al. (FewTrans, arXiv 2603.00478) find full fine-tuning hard to beat. They tune both towers on cosines, and choose
learning rate and epochs on other datasets. This method does not tune the text tower.
"""

import copy
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from datasets_registry import EvalProtocol
from methods import Batch, MethodInfo, Sizes, SupportView, register_method
from methods._base.recipe import for_transfer
from methods._parts.two_tower_methods import FINE_TUNING_RECIPE, PROLIP_FACTS, FineTuningConfig, FineTuningMethod
from methods._towers.image_tower import run_image_tower, wrap_image_tower


class FullFTConfig(FineTuningConfig):
    """The class texts, and whether image features are normalised in training."""

    def parameter_count(self, sizes: Sizes) -> int:
        return sizes.image_parameters


@register_method
class FullFT(FineTuningMethod[FullFTConfig]):
    """`scale f t'` with a trained image tower."""

    trainable: nn.Module

    info = MethodInfo(
        name="full_ft",
        title="Full fine-tuning",
        summary="All weights of the image tower, trained against frozen class texts.",
        config=FullFTConfig,
        needs=frozenset({"pixels"}),
        recipes={EvalProtocol.FEW_SHOT: FINE_TUNING_RECIPE, EvalProtocol.BASE_TO_NEW: FINE_TUNING_RECIPE}
        | for_transfer(FINE_TUNING_RECIPE),
        **PROLIP_FACTS,
    )

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        visual: Any = copy.deepcopy(self.backbone.image_tower.visual)
        self.trainable = visual.requires_grad_(True)
        self.tower = wrap_image_tower(visual)

    def image_features(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        self.backbone.passes.prompted_image += len(batch.pixels)
        with self.backbone.precision.arithmetic(self.backbone.device):
            return run_image_tower(self.tower, batch.pixels).float()
