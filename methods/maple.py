"""MaPLe: deep text prompts, and visual prompts that are linear maps of them.

Khattak et al., "MaPLe: Multi-modal Prompt Learning", CVPR 2023. Official file: muzairkhattak/multimodal-prompt-learning
`trainers/maple.py`. There is one map for each prompted block; those of the deeper blocks start as copies of one layer.
Almost all parameters are in the maps. More than four text tokens start at random, since the initial words are
`a photo of a`.
"""

from pydantic import Field

from methods import ComposedMethod, MethodInfo, Parts, Recipe, Sizes, register_method
from methods._base.recipe import for_transfer
from methods._parts.maple_parts import MAPLE_FACTS, maple_recipes
from methods._parts.prompts import Coupling, TextContext, WordedContextConfig


class MaPLeConfig(WordedContextConfig):
    """Number and depth of the prompts."""

    n_ctx: int = Field(2, ge=1, le=70, description="tokens per block, in each tower; 2, paper section 4.1")
    depth: int = Field(9, ge=1, description="prompted blocks of both towers, at most all; 9 of 12, 3 cross-dataset")
    worded_init: bool = Field(True, description="start the input context at `ctx_init`, if it has enough words")

    def parameter_count(self, sizes: Sizes) -> int:
        prompted = min(self.depth, sizes.text_blocks, sizes.image_blocks)
        return prompted * (self.n_ctx * sizes.text_width + (sizes.text_width + 1) * sizes.image_width)


RECIPES = maple_recipes("MaPLe configs/trainers/MaPLe/vit_b16_c2_ep5_batch4_2ctx.yaml", lr=0.0035)
TRANSFER = Recipe(
    source="MaPLe configs/trainers/MaPLe/vit_b16_c2_ep5_batch4_2ctx_cross_datasets.yaml, epoch 2 as in its scripts",
    lr=0.0026,
    epochs=2,
    batch_size=4,
)


@register_method
class MaPLe(ComposedMethod[MaPLeConfig]):
    """Cross-entropy on `scale * cos(prompted image, prompted text)`, with mapped visual prompts."""

    info = MethodInfo(
        name="maple",
        title="MaPLe",
        family="multimodal prompt",
        summary="Deep text prompts, and visual prompts that are linear maps of them.",
        config=MaPLeConfig,
        needs=frozenset({"pixels"}),
        vision_transformer=True,
        recipes=RECIPES | for_transfer(TRANSFER),
        config_by_protocol=for_transfer({"depth": 3}),
        **MAPLE_FACTS,
    )

    def make_parts(self) -> Parts:
        c, b, g = self.config, self.backbone, self.generator
        depth = min(c.depth, b.text_depth, b.vision_depth)
        return Parts(
            text_context=TextContext(c.n_ctx, depth, c.ctx_init if c.worded_init else "", b, g),
            coupling=Coupling(depth, b, g),
        )
