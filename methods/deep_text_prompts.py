"""Deep text prompts (the APEX paper's TPT): learned tokens before every block of the text tower.

This is the language-only setting of the MaPLe repository (`trainers/independentVL.py` without visual prompts). The
analysis in the APEX paper calls it text prompt tuning.
"""

from pydantic import Field

from methods import ComposedMethod, MethodInfo, Parts, Sizes, TextContext, register_method
from methods._parts.maple_parts import MAPLE_FACTS, maple_recipes
from methods._parts.prompts import WordedContextConfig


class DeepTextPromptsConfig(WordedContextConfig):
    """Number and depth of the text prompts."""

    n_text: int = Field(4, ge=1, le=70, description="text tokens per block; 4, MaPLe repository (language-only)")
    depth: int = Field(0, ge=0, description="prompted blocks, 0 = every one (12 of 12 published)")
    worded_init: bool = Field(True, description="start the input context at `ctx_init`, if it has enough words")

    def parameter_count(self, sizes: Sizes) -> int:
        return self.n_text * sizes.text_width * (self.depth or sizes.text_blocks)


@register_method
class DeepTextPrompts(ComposedMethod[DeepTextPromptsConfig]):
    """Cross-entropy on `scale * cos(frozen image, prompted text)`."""

    info = MethodInfo(
        name="deep_text_prompts",
        title="Deep text prompts",
        family="text prompt",
        summary="Learned tokens before every block of the text tower; images stay frozen.",
        config=DeepTextPromptsConfig,
        prompt_depths={"depth": "text"},
        recipes=maple_recipes("MaPLe repository, language-only IVLP", lr=0.0025),
        **MAPLE_FACTS,
    )

    def make_parts(self) -> Parts:
        c = self.config
        words = c.ctx_init if c.worded_init else ""
        return Parts(text_context=TextContext(c.n_text, c.depth, words, self.backbone, self.generator))
