"""The names of the commands."""

from __future__ import annotations

import re
from typing import Any

import typer.main

from bench.cli.app import PANELS, app


def group() -> Any:
    return typer.main.get_command(app)


def test_help_lists_the_commands_in_their_panels(etl):
    code, out, _ = etl("--help")
    assert code == 0
    names = [name for panel in PANELS.values() for name in panel]
    places = [out.index(f"─ {panel} ─") for panel in PANELS]
    assert places == sorted(places)
    assert re.findall(r"^│ (\S+)", out[places[0] :], flags=re.M) == names


def test_every_group_of_commands_lists_what_it_has():
    """A group that also does something by itself, such as `doctor`, is a command; a board lists its submissions."""
    waiting = {"etl-bench": group()}
    while waiting:
        name, one = waiting.popitem()
        below = {f"{name} {word}": command for word, command in one.commands.items() if hasattr(command, "commands")}
        waiting |= below
        assert name in ("etl-bench", "etl-bench board") or one.invoke_without_command or "list" in one.commands, name


def test_help_has_brackets_as_they_were_written(etl):
    _, out, _ = etl("compare", "--help")
    assert "'coop [n_ctx=4]'" in " ".join(out.replace("│", " ").split())
