"""Deep visual prompts with a text adapter (the APEX paper's VPT+TA): APEX without its ensemble and its text prompt.

The paper's analysis recommends this combination for hard domains. Settings are APEX's.
"""

from pydantic import Field

from methods import AdapterConfig, MethodInfo, Sizes, VisualPrompts, register_method
from methods._base.recipe import for_transfer
from methods._parts.apex_parts import PART_FACTS, TRANSFER_DEPTH
from methods._parts.two_tower_methods import ComposedMethod, Parts
from methods._text.templates import GENERIC_TEMPLATE


class VPTTextAdapterConfig(AdapterConfig):
    """Size of the prompts and kind of the adapter."""

    n_visual: int = Field(2, ge=1, description="visual tokens per block; 2, APEX")
    visual_depth: int = Field(
        0, ge=0, description="prompted image blocks, 0 = every one (12 of 12, APEX base-to-new; 3 in transfer)"
    )

    def parameter_count(self, sizes: Sizes) -> int:
        visual = self.n_visual * sizes.image_width * (self.visual_depth or sizes.image_blocks)
        return visual + super().parameter_count(sizes)


@register_method
class VPTTextAdapter(ComposedMethod[VPTTextAdapterConfig]):
    """Cross-entropy on `scale * cos(prompted image, A(frozen text))`."""

    template = GENERIC_TEMPLATE
    info = MethodInfo(
        name="vpt_text_adapter",
        title="VPT + text adapter",
        family="multimodal prompt",
        summary="Deep visual prompts together with an adapter on the class texts.",
        config=VPTTextAdapterConfig,
        needs=frozenset({"pixels"}),
        vision_transformer=True,
        prompt_depths={"visual_depth": "image"},
        config_by_protocol=for_transfer({"visual_depth": TRANSFER_DEPTH}),
        **PART_FACTS,
    )

    def make_parts(self) -> Parts:
        c, b, g = self.config, self.backbone, self.generator
        prompts = VisualPrompts(c.n_visual, c.visual_depth, b, g)
        return Parts(visual_prompts=prompts, text_adapter=c.make_adapter(b, g))
