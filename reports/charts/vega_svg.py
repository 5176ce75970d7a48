"""Draws Vega-Lite specifications as SVG, and turns SVG into PDF and PNG."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

_CONVERTER = Path(__file__).with_name("svg_converter.py")
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_NOT_TEXT = re.compile("[^\\t\\n\\r -\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that stop the interpreter: those that XML does not allow, and separators of lines and paragraphs."""


def specification_text(specification: Mapping[str, Any]) -> str:
    """A specification as JSON, without characters that readers of SVG refuse, such as control characters."""
    return json.dumps(_as_text({"$schema": _SCHEMA, **specification}), indent=1, ensure_ascii=False)


def specification_svg(specification: Mapping[str, Any]) -> Markup:
    """The chart as SVG, named by its description.

    The interpreter of Vega starts with the first chart of a process, which takes 1.3 s; a later chart takes 0.1 s.
    """
    import vl_convert

    label = Markup('<svg role="img" aria-label="{}" ').format(_as_text(specification["description"]))
    return Markup(vl_convert.vegalite_to_svg(specification_text(specification)).replace("<svg ", label, 1))


def converted(svg: str, kind: str) -> bytes:
    """SVG as pdf or png, by a separate process, because the renderer can abort its process.

    Raises:
        RuntimeError: if the renderer fails.
    """
    if kind == "png":
        svg = svg.replace(">", '><rect width="100%" height="100%" fill="white"/>', 1)
    command = [sys.executable, "-I", str(_CONVERTER), kind]
    done = subprocess.run(command, input=svg.encode(), capture_output=True, check=False)
    if done.returncode:
        last_line = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        reason = last_line or f"exit code {done.returncode}"
        raise RuntimeError(f"the renderer of {kind.upper()} files failed: {reason}")
    return done.stdout


def plain_text(text: str) -> str:
    """Text without the characters that readers of SVG refuse, such as control characters."""
    return _NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, Mapping):
        return {name: _as_text(item) for name, item in value.items()}
    return [_as_text(item) for item in value] if isinstance(value, list | tuple) else value
