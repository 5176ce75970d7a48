"""Rules for every command and every option: names, help, options given twice, and options without a text."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from itertools import pairwise
from operator import itemgetter
from typing import Any

import pytest
import typer
from command_tree import commands, required
from one_case import for_each

from bench.cli.app import PANELS, command_tree
from bench.errors import UsageError

WIDTH = 80
OPTIONS = [
    (f"{words} {option.opts[-1]}", command, option)
    for words, command in commands().items()
    for option in command.params
    if option.param_type_name == "option" and not option.is_eager
]
VALUES = [one for one in OPTIONS if not one[2].is_flag]


def test_help_lists_the_commands_in_their_panels_and_has_brackets_as_they_were_written(etl: Any) -> None:
    code, out, _ = etl("--help")
    assert code == 0
    names = [name for panel in PANELS.values() for name in panel]
    places = [out.index(f"─ {panel} ─") for panel in PANELS]
    assert places == sorted(places)
    assert re.findall(r"^│ (\S+)", out[places[0] :], flags=re.M) == names
    _, out, _ = etl("compare", "--help")
    assert "'coop [n_ctx=4]'" in " ".join(out.replace("│", " ").split())


def test_every_group_of_commands_lists_what_it_has() -> None:
    """A group that also does something by itself, such as `doctor`, is a command; a board lists its submissions."""
    waiting = {"etl-bench": command_tree()}
    while waiting:
        name, one = waiting.popitem()
        below = {f"{name} {word}": command for word, command in one.commands.items() if hasattr(command, "commands")}
        waiting |= below
        assert name in ("etl-bench", "etl-bench board") or one.invoke_without_command or "list" in one.commands, name


def paragraphs(text: str) -> Iterator[list[str]]:
    """The lines of each paragraph above the tables of arguments and options."""
    above = text.partition("╭")[0]
    for part in re.split(r"\n\s*\n", above):
        yield [line.strip() for line in part.splitlines() if line.strip()]


@for_each("words, command", list(commands().items()), ids=itemgetter(0))
def test_only_the_last_line_of_a_paragraph_of_help_is_short(
    words: str, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    printed = io.StringIO()
    with redirect_stdout(printed):
        context = typer.Context(command, info_name=words)
        command.format_help(context, context.make_formatter())
    for lines in paragraphs(printed.getvalue()):
        for line, following in pairwise(lines):
            assert len(line) + 1 + len(following.split()[0]) > WIDTH - 2, line


def parse(command: Any, arguments: list[str]) -> dict[str, Any]:
    """The values of what is typed."""
    values, _, _ = command.make_parser(typer.Context(command)).parse_args(args=arguments)
    return dict(values)


@for_each("place, command, option", OPTIONS, ids=itemgetter(0))
def test_a_list_adds_up_and_a_single_value_given_twice_is_refused(place: str, command: Any, option: Any) -> None:
    name = option.opts[-1]
    if option.multiple:
        typed = [*required(command, option.name), name, "1", name, "2", name, "1"]
        assert parse(command, typed)[option.name] == ["1", "2"]
    else:
        with pytest.raises(UsageError, match=f"{name}.* is given twice"):
            parse(command, [name, name] if option.is_flag else [name, "1", name, "2"])


@for_each("place, command, option", VALUES, ids=itemgetter(0))
def test_an_empty_text_is_refused(place: str, command: Any, option: Any) -> None:
    for text in ("", " "):
        with pytest.raises(UsageError, match="is empty; give a value"):
            parse(command, [option.opts[-1], text])


def test_repeated_lists_are_joined_and_named_and_both_forms_of_a_switch_contradict_each_other(etl: Any) -> None:
    code, out, err = etl(
        "run", "-m", "coop", "-m", "coop", "-d", "spectrum_basic", "--shots", "4", "--shots", "8", "--seeds", "1",
        "--seeds", "3", "--print-toml",
    )  # fmt: skip
    assert code == 0
    assert "shots = [4, 8]" in out
    assert "seeds = [1, 3]" in out
    assert "note: --shots 4 --shots 8" in err
    assert "--methods coop is given" in err
    code, _, err = etl("report", "--images", "--no-images")
    assert (code, "--images/--no-images is given twice" in err) == (2, True)
