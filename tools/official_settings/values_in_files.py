"""Finds a stated value, and its line, in a configuration file, an argument parser, a script, or any other file.

A place is given as a table with `file` and one of these:

    key = "OPTIM.LR"        a key of a YAML file, or the assignment to it in Python (`_C.OPTIM.LR = 0.0003`)
    argument = "--lr"       the default of an argument of `argparse`, or the word after it in a script
    variable = "SHOTS"      a variable of a shell script
    name = "alpha"          the first assignment, keyword, default or dictionary key of that name in Python
    line = "x = f(y)"       a line that contains this text, read by a person; `means` gives the value

`after` starts the search behind the first line that contains its text; of a list, each behind the one before.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

WAYS = ("key", "argument", "variable", "name", "line")
VARIABLE = re.compile(r"\s*(?:export\s+)?(\w+)=(\S+)")


class NotStatedError(Exception):
    """A file does not state what a table says that it states."""


@dataclass(frozen=True)
class FoundValue:
    """A value as its file states it, and its line, counted from 1."""

    value: Any
    text: str
    line: int


def value_in(text: str, place: Mapping[str, Any]) -> FoundValue:
    """The value that a file states at a place; raises NotStatedError."""
    way = next((one for one in WAYS if one in place), None)
    if way is None:
        raise NotStatedError(f"{dict(place)} has none of {', '.join(WAYS)}")
    first, after = 0, place.get("after", [])
    for part in [after] if isinstance(after, str) else after:
        first = _line_after(text, part, first)
    wanted, file = str(place[way]), str(place["file"])
    found = next((one for one in _candidates(way, text, file, wanted) if one.line > first), None)
    if found is None:
        raise NotStatedError(f"{file} has no {way} {wanted!r}")
    return found


def _candidates(way: str, text: str, file: str, wanted: str) -> Iterator[FoundValue]:
    python = file.endswith(".py")
    if way == "line":
        yield from _lines_with(text, wanted)
    elif way == "key":
        yield from _assigned_keys(text, wanted) if python else _yaml_keys(text, wanted)
    elif way == "argument":
        yield from _parser_defaults(text, wanted) if python else _script_words(text, wanted)
    elif way == "variable":
        yield from _variables(text, wanted)
    else:
        yield from _named_values(text, wanted)


def _line_after(text: str, part: str, first: int) -> int:
    found = next((one.line for one in _lines_with(text, part) if one.line > first), None)
    if found is None:
        raise NotStatedError(f"no line contains {part!r}")
    return found


def _lines_with(text: str, part: str) -> Iterator[FoundValue]:
    wanted = " ".join(part.split())
    for number, line in enumerate(text.splitlines(), 1):
        if wanted in " ".join(line.split()):
            yield FoundValue(wanted, wanted, number)


def _yaml_keys(text: str, wanted: str) -> Iterator[FoundValue]:
    parts = wanted.split(".")

    def walk(node: yaml.Node | None, depth: int) -> Iterator[FoundValue]:
        if not isinstance(node, yaml.MappingNode):
            return
        for key, value in node.value:
            if key.value != parts[depth]:
                continue
            if depth + 1 < len(parts):
                yield from walk(value, depth + 1)
            else:
                stated = text[value.start_mark.index : value.end_mark.index].strip()
                yield FoundValue(_plain(yaml.safe_load(stated)), stated, value.start_mark.line + 1)

    yield from walk(yaml.compose(text, Loader=yaml.SafeLoader), 0)


def _plain(value: Any) -> Any:
    """A value with texts read as numbers and tuples where they are; YAML reads neither `1e-5` nor `(0.5, 1)`."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


def _assigned_keys(text: str, wanted: str) -> Iterator[FoundValue]:
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and ast.unparse(target).endswith(f".{wanted}"):
                    yield _expression(node.value)


def _expression(node: ast.expr) -> FoundValue:
    text = ast.unparse(node)
    try:
        return FoundValue(ast.literal_eval(node), text, node.lineno)
    except ValueError:
        return FoundValue(text, text, node.lineno)


def _tree(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise NotStatedError(f"not Python: {error}") from error


def _parser_defaults(text: str, wanted: str) -> Iterator[FoundValue]:
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.Call) and any(isinstance(a, ast.Constant) and a.value == wanted for a in node.args):
            yield from (_expression(word.value) for word in node.keywords if word.arg == "default")


def _script_words(text: str, wanted: str) -> Iterator[FoundValue]:
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        for word in _words(line):
            if before == wanted:
                yield FoundValue(_plain(word), word, number)
            elif word.startswith(f"{wanted}="):
                value = word.partition("=")[2]
                yield FoundValue(_plain(value), value, number)
            before = word


def _words(line: str) -> list[str]:
    try:
        return [word for word in shlex.split(line, comments=True) if word != "\\"]
    except ValueError:
        return line.split()


def _variables(text: str, wanted: str) -> Iterator[FoundValue]:
    for number, line in enumerate(text.splitlines(), 1):
        if (found := VARIABLE.match(line)) is not None and found[1] == wanted:
            yield FoundValue(_plain(found[2]), found[2], number)


def _named_values(text: str, wanted: str) -> Iterator[FoundValue]:
    found = [_expression(value) for node in ast.walk(_tree(text)) for value in _values_named(node, wanted)]
    yield from sorted(found, key=lambda one: one.line)


def _values_named(node: ast.AST, wanted: str) -> Iterator[ast.expr]:
    if isinstance(node, ast.Assign):
        if any(_name_of(target) == wanted for target in node.targets):
            yield node.value
    elif isinstance(node, ast.AnnAssign):
        if node.value is not None and _name_of(node.target) == wanted:
            yield node.value
    elif isinstance(node, ast.keyword):
        if node.arg == wanted:
            yield node.value
    elif isinstance(node, ast.Dict):
        yield from (
            value
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant) and key.value == wanted
        )
    elif isinstance(node, ast.arguments):
        named = [*node.posonlyargs, *node.args]
        for one, default in zip(named[len(named) - len(node.defaults) :], node.defaults, strict=True):
            if one.arg == wanted:
                yield default
        for one, keyword_default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
            if one.arg == wanted and keyword_default is not None:
                yield keyword_default


def _name_of(target: ast.expr) -> str:
    return target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
