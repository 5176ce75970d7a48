"""Deep text prompts with a visual adapter (the APEX paper's TPT+VA): the mirror image of VPT with a text adapter.

One of the combinations that the paper's analysis compares; it prints no settings for it, so APEX's are used.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from datasets_registry import ClassSet
from methods._base.method import Family, MethodConfig, MethodInfo, Needs
from methods._base.registry import register_method
from methods._parts.apex_recipe import APEX_CITATION, PART_RECIPES
from methods._parts.composed import GENERIC_TEMPLATE, ComposedMethod
from methods._parts.parts import AdapterKind, Parts, TextContext, adapter_size, make_adapter, resolve_depth


class TextPromptsVisualAdapterConfig(MethodConfig):
    """Size of the prompts and kind of the adapter."""

    n_text: int = Field(2, ge=1, le=70, description="text tokens a block; 2, APEX")
    text_depth: int = Field(0, ge=0, description="prompted text blocks, 0 = every one")
    adapter: AdapterKind = Field(
        "linear", description="linear from the identity (APEX), low_rank or bottleneck (its Fig 10)"
    )
    rank: int = Field(64, ge=1, description="inner width of a low_rank or bottleneck adapter")


@register_method
class TextPromptsVisualAdapter(ComposedMethod[TextPromptsVisualAdapterConfig]):
    """Cross-entropy on `scale * cos(A(frozen image), prompted text)`."""

    info: ClassVar[MethodInfo] = MethodInfo(
        name="text_prompts_visual_adapter",
        title="Text prompts + visual adapter",
        family=Family.MULTIMODAL_PROMPT,
        summary="Deep text prompts together with an adapter on the frozen image feature.",
        citation=APEX_CITATION,
        config=TextPromptsVisualAdapterConfig,
        needs=frozenset({Needs.FEATURES}),
        open_vocabulary=True,
        learns_text=True,
        parameter_count=lambda b, c, n: (
            c.n_text * b.text_width * resolve_depth(c.text_depth, b.text_depth, "")
            + adapter_size(c.adapter, b.embed_dim, c.rank)
        ),
        recipes=PART_RECIPES,
    )

    def make_parts(self, classes: ClassSet) -> Parts:
        c = self.config
        return Parts(
            text_context=TextContext(c.n_text, c.text_depth, GENERIC_TEMPLATE, 4, self.backbone, self.generator),
            visual_adapter=make_adapter(c.adapter, self.backbone.embed_dim, c.rank, self.generator),
        )
