"""Deep visual prompts with a text adapter (the APEX paper's VPT+TA): APEX without its ensemble and its text prompt.

The combination that the paper's analysis singles out for hard domains; settings are APEX's.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from datasets_registry import ClassSet
from methods._base.method import Family, MethodConfig, MethodInfo, Needs
from methods._base.registry import register_method
from methods._parts.apex_recipe import APEX_CITATION, PART_RECIPES
from methods._parts.composed import GENERIC_TEMPLATE, ComposedMethod
from methods._parts.parts import AdapterKind, Parts, VisualPrompts, adapter_size, make_adapter, resolve_depth


class VPTTextAdapterConfig(MethodConfig):
    """Size of the prompts and kind of the adapter."""

    n_visual: int = Field(2, ge=1, description="visual tokens a block; 2, APEX")
    visual_depth: int = Field(0, ge=0, description="prompted image blocks, 0 = every one (12 of 12, APEX base-to-new)")
    adapter: AdapterKind = Field(
        "linear", description="linear from the identity (APEX), low_rank or bottleneck (its Fig 10)"
    )
    rank: int = Field(64, ge=1, description="inner width of a low_rank or bottleneck adapter")


@register_method
class VPTTextAdapter(ComposedMethod[VPTTextAdapterConfig]):
    """Cross-entropy on `scale * cos(prompted image, A(frozen text))`."""

    info: ClassVar[MethodInfo] = MethodInfo(
        name="vpt_text_adapter",
        title="VPT + text adapter",
        family=Family.MULTIMODAL_PROMPT,
        summary="Deep visual prompts together with an adapter on the class texts.",
        citation=APEX_CITATION,
        config=VPTTextAdapterConfig,
        needs=frozenset({Needs.PIXELS}),
        open_vocabulary=True,
        vision_transformer=True,
        parameter_count=lambda b, c, n: (
            c.n_visual * b.vision_width * resolve_depth(c.visual_depth, b.vision_depth, "")
            + adapter_size(c.adapter, b.embed_dim, c.rank)
        ),
        recipes=PART_RECIPES,
    )

    def frozen_template(self, classes: ClassSet) -> str:
        return GENERIC_TEMPLATE

    def make_parts(self, classes: ClassSet) -> Parts:
        c = self.config
        return Parts(
            visual_prompts=VisualPrompts(c.n_visual, c.visual_depth, self.backbone, self.generator),
            text_adapter=make_adapter(c.adapter, self.backbone.embed_dim, c.rank, self.generator),
        )
