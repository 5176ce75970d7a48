"""VPT in CLIP: learned tokens in the image tower, shallow (input only) or deep (new ones in each block).

The idea is from Jia et al., "Visual Prompt Tuning", ECCV 2022. The version for CLIP and its numbers are from the MaPLe
repository (muzairkhattak/multimodal-prompt-learning `trainers/vpt.py`): tokens after the patches, and one generic
template for every dataset.
"""

from pydantic import Field

from methods import MethodConfig, MethodInfo, Sizes, VisualPrompts, register_method
from methods._parts.maple_parts import MAPLE_CODE, maple_recipes
from methods._parts.two_tower_methods import ComposedMethod, Parts
from methods._text.templates import GENERIC_TEMPLATE


class VPTConfig(MethodConfig):
    """Number and depth of visual prompts."""

    n_visual: int = Field(8, ge=1, description="tokens per block; 8, MaPLe repository's VPT")
    depth: int = Field(
        0, ge=0, description="prompted blocks: 1 = shallow, 0 = every block (12 of 12 in the published setting)"
    )

    def parameter_count(self, sizes: Sizes) -> int:
        return self.n_visual * sizes.image_width * (self.depth or sizes.image_blocks)


@register_method
class VPT(ComposedMethod[VPTConfig]):
    """Cross-entropy on `scale * cos(prompted image, frozen text)`."""

    template = GENERIC_TEMPLATE
    info = MethodInfo(
        name="vpt",
        title="VPT",
        family="visual prompt",
        summary="Learned tokens in the image tower; class texts stay frozen.",
        paper="2203.12119",
        code=MAPLE_CODE,
        citation="""@inproceedings{jia2022vpt,
  title = {Visual Prompt Tuning},
  author = {Jia, Menglin and Tang, Luming and Chen, Bor-Chun and others},
  booktitle = {ECCV},
  year = {2022}
}""",
        config=VPTConfig,
        needs=frozenset({"pixels"}),
        open_vocabulary=True,
        vision_transformer=True,
        prompt_depths={"depth": "image"},
        recipes=maple_recipes("MaPLe repository, configs/trainers/VPT", lr=0.0025),
    )

    def make_parts(self) -> Parts:
        c = self.config
        return Parts(visual_prompts=VisualPrompts(c.n_visual, c.depth, self.backbone, self.generator))
