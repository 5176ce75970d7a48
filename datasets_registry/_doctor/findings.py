"""What the doctor of datasets finds: one line on what is wrong, and the command that mends it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """`problem`: runs would fail or be wrong. `note`: runs work, but a person should know."""

    PROBLEM = "problem"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    Args:
        code: its name in docs/datasets.md.
        text: what is wrong, in one sentence.
        fix: the command that mends it; empty where there is nothing to mend.
        level: how bad it is.
        layout: whether it is about where files lie, and so of no harm once the reader has found them.
    """

    code: str
    text: str
    fix: str = ""
    level: Level = Level.PROBLEM
    layout: bool = False


def quoted(*words: object) -> str:
    """Words as one shell command."""
    return shlex.join(str(word) for word in words)


def some(items: Sequence[str], most: int = 3) -> str:
    """The first few of a list, as a text."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
