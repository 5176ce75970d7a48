"""Deep text prompts with a visual adapter (the APEX paper's TPT+VA): the counterpart of VPT with a text adapter.

The paper compares it in its analysis but gives no settings for it, so the settings of APEX are used.
"""

from pydantic import Field

from methods import ComposedMethod, Family, composed_info, register_method
from methods._parts.adapters import AdapterSetting, RankSetting
from methods._parts.apex_recipe import APEX_CITATION, PART_RECIPES
from methods._parts.context_initialisation import WordedContextConfig
from methods._parts.part_declarations import adapter, text_context


class TextPromptsVisualAdapterConfig(WordedContextConfig):
    """Size of the prompts and kind of the adapter."""

    n_text: int = Field(2, ge=1, le=70, description="text tokens per block; 2, APEX")
    text_depth: int = Field(0, ge=0, description="prompted text blocks, 0 = every one")
    adapter: AdapterSetting = "linear"
    rank: RankSetting = 64


@register_method
class TextPromptsVisualAdapter(ComposedMethod[TextPromptsVisualAdapterConfig]):
    """Cross-entropy on `scale * cos(A(frozen image), prompted text)`."""

    parts = (text_context(), adapter("visual"))
    info = composed_info(
        parts,
        name="text_prompts_visual_adapter",
        title="Text prompts + visual adapter",
        family=Family.MULTIMODAL_PROMPT,
        summary="Deep text prompts together with an adapter on the frozen image feature.",
        citation=APEX_CITATION,
        config=TextPromptsVisualAdapterConfig,
        recipes=PART_RECIPES,
    )
