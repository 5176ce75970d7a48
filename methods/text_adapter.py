"""Text adapter alone (the APEX paper's TA): an adapter after the text tower; both towers are frozen.

The paper compares it in its analysis but gives no settings for it, so the settings of APEX are used.
"""

from methods import AdapterConfig, ComposedMethod, MethodInfo, Parts, register_method
from methods._parts.apex_parts import ADAPTER_FACTS
from methods._text.templates import GENERIC_TEMPLATE


@register_method
class TextAdapter(ComposedMethod[AdapterConfig]):
    """Cross-entropy on `scale * cos(frozen image, A(frozen text))`."""

    template = GENERIC_TEMPLATE
    info = MethodInfo(
        name="text_adapter",
        title="Text adapter",
        summary="An adapter on the frozen class text features; both towers stay as they are.",
        **ADAPTER_FACTS,
    )

    def make_parts(self) -> Parts:
        return Parts(text_adapter=self.config.make_adapter(self.backbone, self.generator))
