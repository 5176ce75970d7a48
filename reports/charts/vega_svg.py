"""Draws Vega-Lite specifications as SVG."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from markupsafe import Markup

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_NOT_TEXT = re.compile("[^\\t\\n\\r -\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that stop the interpreter: those that XML does not allow, and separators of lines and paragraphs."""


def specification_text(specification: Mapping[str, Any]) -> str:
    """A specification as JSON, without characters that readers of SVG refuse, such as control characters."""
    return json.dumps(_as_text(specification), indent=1, ensure_ascii=False)


def specification_svg(specification: Mapping[str, Any]) -> Markup:
    """The chart as SVG, named by its description.

    The interpreter of Vega starts with the first chart of a process, which takes 1.3 s; a later chart takes 0.1 s.
    """
    label = Markup('<svg role="img" aria-label="{}" ').format(_as_text(specification["description"]))
    return Markup(_svg(specification_text(specification)).replace("<svg ", label, 1))


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return _NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, Mapping):
        return {name: _as_text(item) for name, item in value.items()}
    return [_as_text(item) for item in value] if isinstance(value, list | tuple) else value


@lru_cache(maxsize=32)
def _svg(specification: str) -> str:
    import vl_convert

    return vl_convert.vegalite_to_svg(specification)
