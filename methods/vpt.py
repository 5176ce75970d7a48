"""VPT in CLIP: learned tokens in the image tower, shallow (input only) or deep (fresh ones in each block).

Jia et al., "Visual Prompt Tuning", ECCV 2022, for the idea; the CLIP form and its numbers come from the MaPLe
repository (muzairkhattak/multimodal-prompt-learning `trainers/vpt.py`): tokens behind the patches, one generic template
for every dataset.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from datasets_registry import ClassSet, EvalProtocol
from methods._base.method import Family, MethodConfig, MethodInfo, Needs
from methods._base.recipe import Recipe
from methods._base.registry import register_method
from methods._parts.composed import GENERIC_TEMPLATE, ComposedMethod
from methods._parts.parts import Parts, VisualPrompts, resolve_depth


class VPTConfig(MethodConfig):
    """Number and depth of visual prompts."""

    n_visual: int = Field(8, ge=1, description="tokens a block; 8, MaPLe repository's VPT")
    depth: int = Field(
        0, ge=0, description="prompted blocks: 1 = shallow, 0 = every block (12 of 12 in the published setting)"
    )


RECIPE = Recipe(
    source="MaPLe repository, configs/trainers/VPT; printed for base-to-new, reused for few-shot",
    lr=0.0025,
    epochs=5,
    batch_size=4,
)


@register_method
class VPT(ComposedMethod[VPTConfig]):
    """Cross-entropy on `scale * cos(prompted image, frozen text)`."""

    info: ClassVar[MethodInfo] = MethodInfo(
        name="vpt",
        title="VPT",
        family=Family.VISUAL_PROMPT,
        summary="Learned tokens in the image tower; class texts stay frozen.",
        citation="""@inproceedings{jia2022vpt,
  title = {Visual Prompt Tuning},
  author = {Jia, Menglin and Tang, Luming and Chen, Bor-Chun and others},
  booktitle = {ECCV},
  year = {2022}
}""",
        config=VPTConfig,
        needs=frozenset({Needs.PIXELS}),
        open_vocabulary=True,
        vision_transformer=True,
        parameter_count=lambda b, c, n: c.n_visual * b.vision_width * resolve_depth(c.depth, b.vision_depth, ""),
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE},
    )

    def frozen_template(self, classes: ClassSet) -> str:
        return GENERIC_TEMPLATE

    def make_parts(self, classes: ClassSet) -> Parts:
        prompts = VisualPrompts(self.config.n_visual, self.config.depth, self.backbone, self.generator)
        return Parts(visual_prompts=prompts)
