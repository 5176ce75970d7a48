"""Text adapter alone (the APEX paper's TA): an adapter behind the text tower, both towers frozen.

One of the parts that the paper's analysis compares; it prints no settings for it, so APEX's are used.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from datasets_registry import ClassSet
from methods._base.method import Family, MethodConfig, MethodInfo, Needs
from methods._base.registry import register_method
from methods._parts.apex_recipe import APEX_CITATION, PART_RECIPES
from methods._parts.composed import GENERIC_TEMPLATE, ComposedMethod
from methods._parts.parts import AdapterKind, Parts, adapter_size, make_adapter


class TextAdapterConfig(MethodConfig):
    """Kind of the adapter."""

    adapter: AdapterKind = Field(
        "linear", description="linear from the identity (APEX), low_rank or bottleneck (its Fig 10)"
    )
    rank: int = Field(64, ge=1, description="inner width of a low_rank or bottleneck adapter")


@register_method
class TextAdapter(ComposedMethod[TextAdapterConfig]):
    """Cross-entropy on `scale * cos(frozen image, A(frozen text))`."""

    info: ClassVar[MethodInfo] = MethodInfo(
        name="text_adapter",
        title="Text adapter",
        family=Family.FEATURE_ADAPTER,
        summary="An adapter on the frozen class text features; both towers stay as they are.",
        citation=APEX_CITATION,
        config=TextAdapterConfig,
        needs=frozenset({Needs.FEATURES}),
        open_vocabulary=True,
        parameter_count=lambda b, c, n: adapter_size(c.adapter, b.embed_dim, c.rank),
        recipes=PART_RECIPES,
        zero_shot_start={"adapter": "linear"},
    )

    def frozen_template(self, classes: ClassSet) -> str:
        return GENERIC_TEMPLATE

    def make_parts(self, classes: ClassSet) -> Parts:
        c = self.config
        return Parts(text_adapter=make_adapter(c.adapter, self.backbone.embed_dim, c.rank, self.generator))
