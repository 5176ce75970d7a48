"""Findings of a check: one sentence about the problem, and the command that fixes it."""

import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Level(StrEnum):
    """`problem`: runs would fail or give wrong results. `note`: runs work, but the user should know."""

    PROBLEM = "problem"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, in one sentence.

    Args:
        code: its name in `etl-bench docs datasets`.
        fix: the command that fixes it; empty if there is nothing to fix.
        layout: whether it concerns the location of files, which does not matter if the reader finds them.
    """

    code: str
    text: str
    fix: str = ""
    level: Level = Level.PROBLEM
    layout: bool = False


def quoted(*words: object) -> str:
    """Words as one shell command."""
    return shlex.join(str(word) for word in words)


def fetch_command(name: str, *options: str, data_root: Path | None) -> str:
    """The command that fetches a dataset."""
    where = ("--data-root", data_root) if data_root is not None else ()
    return quoted("etl-bench", "datasets", "fetch", name, *options, *where)
