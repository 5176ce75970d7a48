"""Deep text prompts with a visual adapter (the APEX paper's TPT+VA): the counterpart of VPT with a text adapter.

The paper compares it in its analysis but gives no settings for it, so the settings of APEX are used.
"""

from pydantic import Field

from methods import AdapterConfig, ComposedMethod, MethodInfo, Parts, Sizes, TextContext, register_method
from methods._parts.apex_parts import PART_FACTS
from methods._parts.prompts import WordedContextConfig


class TextPromptsVisualAdapterConfig(WordedContextConfig, AdapterConfig):
    """Size of the prompts and kind of the adapter."""

    n_text: int = Field(2, ge=1, le=70, description="text tokens per block; 2, APEX")
    text_depth: int = Field(0, ge=0, description="prompted text blocks, 0 = every one")

    def parameter_count(self, sizes: Sizes) -> int:
        text = self.n_text * sizes.text_width * (self.text_depth or sizes.text_blocks)
        return text + super().parameter_count(sizes)


@register_method
class TextPromptsVisualAdapter(ComposedMethod[TextPromptsVisualAdapterConfig]):
    """Cross-entropy on `scale * cos(A(frozen image), prompted text)`."""

    info = MethodInfo(
        name="text_prompts_visual_adapter",
        title="Text prompts + visual adapter",
        family="multimodal prompt",
        summary="Deep text prompts together with an adapter on the frozen image feature.",
        config=TextPromptsVisualAdapterConfig,
        learns_text=True,
        prompt_depths={"text_depth": "text"},
        **PART_FACTS,
    )

    def make_parts(self) -> Parts:
        c, b, g = self.config, self.backbone, self.generator
        context = TextContext(c.n_text, c.text_depth, c.ctx_init, b, g)
        return Parts(text_context=context, visual_adapter=c.make_adapter(b, g))
