"""Visual adapter alone (the APEX paper's VA): an adapter after the image tower; both towers are frozen.

The paper compares it in its analysis but gives no settings for it, so the settings of APEX are used.
"""

from methods import AdapterConfig, ComposedMethod, MethodInfo, Parts, register_method
from methods._parts.apex_parts import ADAPTER_FACTS
from methods._text.templates import GENERIC_TEMPLATE


@register_method
class VisualAdapter(ComposedMethod[AdapterConfig]):
    """Cross-entropy on `scale * cos(A(frozen image), frozen text)`."""

    template = GENERIC_TEMPLATE
    info = MethodInfo(
        name="visual_adapter",
        title="Visual adapter",
        summary="An adapter on the frozen image feature; class texts stay as they are.",
        **ADAPTER_FACTS,
    )

    def make_parts(self) -> Parts:
        return Parts(visual_adapter=self.config.make_adapter(self.backbone, self.generator))
