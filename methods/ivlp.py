"""IVLP: independent deep prompts in both towers, trained together.

The baseline of the MaPLe paper (Khattak et al., CVPR 2023). Official file: muzairkhattak/multimodal-prompt-learning
`trainers/independentVL.py`. More than four text tokens start at random in that file, because the initial words are
`a photo of a`.
"""

from pydantic import Field

from methods import ComposedMethod, MethodInfo, Parts, Sizes, register_method
from methods._parts.maple_parts import MAPLE_FACTS, maple_recipes
from methods._parts.prompts import TextContext, VisualPrompts, WordedContextConfig


class IVLPConfig(WordedContextConfig):
    """Number and depth of the prompts of both towers."""

    n_text: int = Field(2, ge=1, le=70, description="text tokens per block; 2, MaPLe repository")
    n_visual: int = Field(2, ge=1, description="visual tokens per block; 2, MaPLe repository")
    text_depth: int = Field(0, ge=0, description="prompted text blocks, 0 = every one (12 of 12 published)")
    visual_depth: int = Field(0, ge=0, description="prompted image blocks, 0 = every one (12 of 12 published)")
    worded_init: bool = Field(True, description="start the input context at `ctx_init`, if it has enough words")

    def parameter_count(self, sizes: Sizes) -> int:
        text = self.n_text * sizes.text_width * (self.text_depth or sizes.text_blocks)
        return text + self.n_visual * sizes.image_width * (self.visual_depth or sizes.image_blocks)


@register_method
class IVLP(ComposedMethod[IVLPConfig]):
    """Cross-entropy on `scale * cos(prompted image, prompted text)`."""

    info = MethodInfo(
        name="ivlp",
        title="IVLP",
        family="multimodal prompt",
        summary="Independent deep prompts in the text and in the image tower.",
        config=IVLPConfig,
        needs=frozenset({"pixels"}),
        vision_transformer=True,
        prompt_depths={"text_depth": "text", "visual_depth": "image"},
        recipes=maple_recipes("MaPLe repository, configs/trainers/IVLP", lr=0.0035),
        **MAPLE_FACTS,
    )

    def make_parts(self) -> Parts:
        c, b, g = self.config, self.backbone, self.generator
        return Parts(
            text_context=TextContext(c.n_text, c.text_depth, c.ctx_init if c.worded_init else "", b, g),
            visual_prompts=VisualPrompts(c.n_visual, c.visual_depth, b, g),
        )
