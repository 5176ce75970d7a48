"""Visual adapter alone (the APEX paper's VA): an adapter after the image tower; both towers are frozen.

The paper compares it in its analysis but gives no settings for it, so the settings of APEX are used.
"""

from methods import ComposedMethod, Family, adapter, composed_info, register_method
from methods._parts.adapters import AdapterConfig
from methods._parts.apex_recipe import APEX_CITATION, PART_RECIPES
from methods._text.templates import GENERIC_TEMPLATE


@register_method
class VisualAdapter(ComposedMethod[AdapterConfig]):
    """Cross-entropy on `scale * cos(A(frozen image), frozen text)`."""

    parts = (adapter("visual"),)
    template = GENERIC_TEMPLATE
    info = composed_info(
        parts,
        name="visual_adapter",
        title="Visual adapter",
        family=Family.FEATURE_ADAPTER,
        summary="An adapter on the frozen image feature; class texts stay as they are.",
        citation=APEX_CITATION,
        config=AdapterConfig,
        recipes=PART_RECIPES,
        starts_as_zero_shot={"adapter": "linear"},
        stackable=True,
    )
