"""Lines of text that are as wide as the terminal."""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from contextlib import suppress
from typing import TextIO

DEFAULT_WIDTH = 80
_QUOTED = re.compile(r"`[^`\n]+`")
_BLANK = "\ue000"
"""Stands for the blanks of a command while lines are broken; it occurs in no text, and takes one cell."""


def terminal_width(stream: TextIO) -> int | None:
    """Characters of a line in the terminal of a stream, 80 if the terminal does not say; None for a pipe or a file."""
    if not stream.isatty():
        return None
    columns = shutil.get_terminal_size((0, 0)).columns
    if not columns:  # standard output goes to a file or a pipe
        with suppress(OSError, ValueError):
            columns = os.get_terminal_size(stream.fileno()).columns
    return columns or DEFAULT_WIDTH


def wrapped(text: str, width: int | None) -> str:
    """A text whose lines have at most `width` characters, broken between words; a longer word has its own line.

    A command stays on its line, so that it can be copied: one between backticks counts as one word, and a line that
    begins with blanks is left as it is.

    Example:
        >>> print(wrapped("Missing runs: repeat `etl-bench run sweep.toml` here.", 30))
        Missing runs: repeat
        `etl-bench run sweep.toml`
        here.
    """
    if width is None:
        return text
    wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    unbroken = with_whole_commands(text)
    parts = ([part] if part.startswith("  ") else wrapper.wrap(part) or [""] for part in unbroken.split("\n"))
    return spaced("\n".join(line for lines in parts for line in lines))


def with_whole_commands(text: str) -> str:
    """A text whose commands between backticks have no blanks; `spaced` brings them back."""
    return _QUOTED.sub(lambda found: found[0].replace(" ", _BLANK), text)


def spaced(text: str) -> str:
    """The text that `with_whole_commands` was given."""
    return text.replace(_BLANK, " ")
