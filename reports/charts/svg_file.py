"""Drawings of the page as files for papers."""

import re
import subprocess
import sys
from pathlib import Path

FIGURE_SUFFIXES = (".pdf", ".svg", ".png")
"""Of the files; PNG has twice the size."""
_CONVERTER = Path(__file__).with_name("svg_converter.py")
_NOT_TEXT = re.compile("[^\\t\\n\\r -\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that stop the interpreter: those that XML does not allow, and separators of lines and paragraphs."""
_VARIABLE = re.compile(r"var\(--[\w-]+,([^()]*)\)")
_FONT = 'font-family="Inter, Arial, Liberation Sans, Helvetica, sans-serif"'


def svg_file(svg: str, suffix: str) -> bytes:
    """A drawing in one of `FIGURE_SUFFIXES`, in the light colours of the page.

    Raises:
        RuntimeError: if the renderer fails.
    """
    text = _VARIABLE.sub(r"\1", _NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", svg))
    if "font-family" not in text.partition(">")[0]:
        text = text.replace("<svg ", f"<svg {_FONT} ", 1)
    return text.encode() if suffix == ".svg" else _converted(text, suffix.removeprefix("."))


def _converted(svg: str, kind: str) -> bytes:
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
