"""Deep visual prompts with a text adapter (the APEX paper's VPT+TA): APEX without its ensemble and its text prompt.

The paper's analysis recommends this combination for hard domains. Settings are APEX's.
"""

from pydantic import Field

from methods import ComposedMethod, Family, MethodConfig, composed_info, register_method
from methods._parts.adapters import AdapterSetting, RankSetting
from methods._parts.apex_recipe import APEX_CITATION, PART_RECIPES
from methods._parts.part_declarations import adapter, visual_prompts
from methods._text.templates import GENERIC_TEMPLATE


class VPTTextAdapterConfig(MethodConfig):
    """Size of the prompts and kind of the adapter."""

    n_visual: int = Field(2, ge=1, description="visual tokens per block; 2, APEX")
    visual_depth: int = Field(0, ge=0, description="prompted image blocks, 0 = every one (12 of 12, APEX base-to-new)")
    adapter: AdapterSetting = "linear"
    rank: RankSetting = 64


@register_method
class VPTTextAdapter(ComposedMethod[VPTTextAdapterConfig]):
    """Cross-entropy on `scale * cos(prompted image, A(frozen text))`."""

    parts = (visual_prompts(), adapter("text"))
    template = GENERIC_TEMPLATE
    info = composed_info(
        parts,
        name="vpt_text_adapter",
        title="VPT + text adapter",
        family=Family.MULTIMODAL_PROMPT,
        summary="Deep visual prompts together with an adapter on the class texts.",
        citation=APEX_CITATION,
        config=VPTTextAdapterConfig,
        recipes=PART_RECIPES,
    )
