"""Help has one width: only the last line of a paragraph is short."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from itertools import pairwise
from operator import itemgetter
from typing import Any

import pytest
import typer
from command_tree import commands
from one_case import for_each

WIDTH = 80


def paragraphs(text: str) -> Iterator[list[str]]:
    """The lines of each paragraph above the tables of arguments and options."""
    lines: list[str] = []
    for line in text.partition("╭")[0].splitlines():
        if line.strip():
            lines.append(line.strip())
        elif lines:
            yield lines
            lines = []


@for_each("words, command", list(commands().items()), ids=itemgetter(0))
def test_lines_of_help_are_filled(words: str, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    printed = io.StringIO()
    with redirect_stdout(printed):
        context = typer.Context(command, info_name=words)
        command.format_help(context, context.make_formatter())
    for lines in paragraphs(printed.getvalue()):
        for line, following in pairwise(lines):
            assert len(line) + 1 + len(following.split()[0]) > WIDTH - 2, line
