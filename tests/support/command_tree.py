"""Every command of the command line with its parameters, found by walking the tree."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from bench.cli.app import command_tree


@functools.cache
def commands() -> dict[str, Any]:
    """Every command that does something, by its words; groups that do something of their own are among them."""

    def walk(command: Any, words: str) -> Iterator[tuple[str, Any]]:
        below = getattr(command, "commands", {})
        if words and (not below or command.invoke_without_command):
            yield words, command
        for word, child in below.items():
            yield from walk(child, f"{words} {word}".strip())

    return dict(walk(command_tree(), ""))


def hints(command: Any) -> dict[str, Any]:
    """The annotated types of the parameters of a command."""
    return {name: one.annotation for name, one in inspect.signature(command.callback).parameters.items()}


def kind(command: Any, parameter: Any) -> Any:
    """The type that the command line parses a parameter to, without `None` and lists."""
    hint = hints(command)[parameter.name]
    while get_args(hint):
        hint = next(one for one in get_args(hint) if one is not type(None))
    return hint


def value(command: Any, parameter: Any, text: str = "") -> list[str]:
    """A parameter as it is typed, with this text or any value of its kind; a switch in the form that changes it."""
    kinds: dict[Any, str] = {int: "3", float: "3", Path: "some"}
    typed = text or kinds.get(kind(command, parameter), "a=b" if parameter.multiple else "some")
    if parameter.param_type_name != "option":
        return [typed]
    if getattr(parameter, "is_flag", False):
        return [(parameter.secondary_opts if parameter.default else parameter.opts)[-1]]
    return [max(parameter.opts, key=len), typed]


def required(command: Any, without: str = "") -> list[str]:
    """The parameters without which a command does nothing, with any values."""
    found = []
    for one in command.params:
        if one.required and one.name != without:
            found += value(command, one)
    return found
