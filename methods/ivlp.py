"""IVLP: independent deep prompts in both towers, trained together.

The baseline of the MaPLe paper (Khattak et al., CVPR 2023). Official file: muzairkhattak/multimodal-prompt-learning
`trainers/independentVL.py`. More than four text tokens start at random there, because the words are `a photo of a`.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from datasets_registry import ClassSet, EvalProtocol
from methods._base.method import Family, MethodConfig, MethodInfo, Needs
from methods._base.recipe import Recipe
from methods._base.registry import register_method
from methods._parts.composed import GENERIC_TEMPLATE, ComposedMethod
from methods._parts.parts import Parts, TextContext, VisualPrompts, resolve_depth


class IVLPConfig(MethodConfig):
    """Number and depth of the prompts of both towers."""

    n_text: int = Field(2, ge=1, le=70, description="text tokens a block; 2, MaPLe repository")
    n_visual: int = Field(2, ge=1, description="visual tokens a block; 2, MaPLe repository")
    text_depth: int = Field(0, ge=0, description="prompted text blocks, 0 = every one (12 of 12 published)")
    visual_depth: int = Field(0, ge=0, description="prompted image blocks, 0 = every one (12 of 12 published)")
    worded_init: bool = Field(True, description="start the input context at the words `a photo of a`, if they suffice")


RECIPE = Recipe(
    source="MaPLe repository, configs/trainers/IVLP; printed for base-to-new, reused for few-shot",
    lr=0.0035,
    epochs=5,
    batch_size=4,
)


@register_method
class IVLP(ComposedMethod[IVLPConfig]):
    """Cross-entropy on `scale * cos(prompted image, prompted text)`."""

    info: ClassVar[MethodInfo] = MethodInfo(
        name="ivlp",
        title="IVLP",
        family=Family.MULTIMODAL_PROMPT,
        summary="Independent deep prompts in the text and in the image tower.",
        citation="""@inproceedings{khattak2023maple,
  title = {MaPLe: Multi-modal Prompt Learning},
  author = {Khattak, Muhammad Uzair and Rasheed, Hanoona and Maaz, Muhammad and others},
  booktitle = {CVPR},
  year = {2023}
}""",
        config=IVLPConfig,
        needs=frozenset({Needs.PIXELS}),
        open_vocabulary=True,
        learns_text=True,
        vision_transformer=True,
        parameter_count=lambda b, c, n: (
            c.n_text * b.text_width * resolve_depth(c.text_depth, b.text_depth, "")
            + c.n_visual * b.vision_width * resolve_depth(c.visual_depth, b.vision_depth, "")
        ),
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE},
    )

    def make_parts(self, classes: ClassSet) -> Parts:
        c, words = self.config, 4 if self.config.worded_init else 0
        return Parts(
            text_context=TextContext(c.n_text, c.text_depth, GENERIC_TEMPLATE, words, self.backbone, self.generator),
            visual_prompts=VisualPrompts(c.n_visual, c.visual_depth, self.backbone, self.generator),
        )
