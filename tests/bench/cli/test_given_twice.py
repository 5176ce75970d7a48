"""Every option of every command follows one rule when it is given twice or without a text."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import pytest
import typer
import typer.main
from command_tree import required
from one_case import for_each

from bench.cli.app import app
from bench.errors import UsageError


def options(command: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every option of the command tree, with the name of its command."""
    for option in command.params:
        if option.param_type_name == "option" and not option.is_eager:
            yield f"{name} {option.opts[-1]}", command, option
    for word, child in getattr(command, "commands", {}).items():
        yield from options(child, f"{name} {word}".strip())


ALL = [one for one in options(typer.main.get_command(app)) if one[0] != " --debug"]
VALUES = [one for one in ALL if not one[2].is_flag]


def parse(command: Any, arguments: list[str]) -> dict[str, Any]:
    """The values of what is typed."""
    values, _, _ = command.make_parser(typer.Context(command)).parse_args(args=arguments)
    return dict(values)


@for_each("place, command, option", ALL, ids=itemgetter(0))
def test_a_list_adds_up_and_a_single_value_given_twice_is_refused(place: str, command: Any, option: Any) -> None:
    name = option.opts[-1]
    if option.multiple:
        assert parse(command, [*required(command, option.name), name, "1", name, "2", name, "1"])[option.name] == [
            "1",
            "2",
        ]
    else:
        with pytest.raises(UsageError, match=f"{name}.* is given twice"):
            parse(command, [name, name] if option.is_flag else [name, "1", name, "2"])


@for_each("place, command, option", VALUES, ids=itemgetter(0))
def test_an_empty_text_is_refused(place: str, command: Any, option: Any) -> None:
    for text in ("", " "):
        with pytest.raises(UsageError, match="is empty; give a value"):
            parse(command, [option.opts[-1], text])


def test_both_forms_of_a_switch_contradict_each_other(etl: Any) -> None:
    code, _, err = etl("report", "--images", "--no-images")
    assert (code, "--images/--no-images is given twice" in err) == (2, True)


def test_repeated_lists_of_numbers_are_joined_and_the_result_is_named(etl: Any) -> None:
    code, out, err = etl(
        "run", "-m", "coop", "-m", "coop", "-d", "spectrum_basic", "--shots", "4", "--shots", "8", "--seeds", "1",
        "--seeds", "3", "--print-toml",
    )  # fmt: skip
    assert code == 0
    assert "shots = [4, 8]" in out
    assert "seeds = [1, 3]" in out
    assert "note: --shots 4 --shots 8" in err
    assert "--methods coop is given" in err
