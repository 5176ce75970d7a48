"""An option that cannot act beside the others is refused, in every command and in Python."""

from __future__ import annotations

import inspect
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import typer
from command_tree import commands, conditions, hints, met, other_of, required, value
from one_case import for_each

from bench import api
from bench.api.option_effects import NotWith, OnlyWith, conditions_of, hints_of
from bench.errors import UsageError


def met_by_default(command: Any, condition: OnlyWith) -> bool:
    return condition.met(other_of(command, condition).default)


CONDITIONS = [
    (f"{words} {one.name} {condition.other}", command, one, condition)
    for words, command in commands().items()
    for one, condition in conditions(command)
]


VIOLABLE = [one for one in CONDITIONS if one[3].values or isinstance(one[3], NotWith) or not met_by_default(*one[1::2])]
"""The others act with the default of the other option."""


def violated(command: Any, condition: OnlyWith) -> list[str]:
    """What is typed beside an option so that it does not act."""
    other = other_of(command, condition)
    if isinstance(condition, NotWith):
        return value(command, other, next(iter(condition.values), ""))
    if condition.values and condition.met(other.default):
        return value(command, other, "other")
    return []


def test_there_are_conditions_and_each_names_a_parameter() -> None:
    assert len(CONDITIONS) > 40
    for place, command, _, condition in CONDITIONS:
        assert condition.other in hints(command), place


@for_each("place, command, option, condition", VIOLABLE, ids=itemgetter(0))
def test_an_option_without_its_condition_is_refused_with_both_names(
    place: str, command: Any, option: Any, condition: OnlyWith
) -> None:
    typed = [*value(command, option), *violated(command, condition)]
    others = [
        text
        for one, more in conditions(command)
        if one is option and more.other != condition.other
        for text in met(command, more)
    ]
    with pytest.raises(UsageError) as refused:
        command.make_parser(typer.Context(command)).parse_args(
            args=[*required(command, condition.other), *typed, *others]
        )
    shown = [
        one.name.upper() if one.param_type_name != "option" else max(one.opts, key=len)
        for one in (option, other_of(command, condition))
    ]
    assert "has no effect" in str(refused.value), place
    assert all(name in str(refused.value) for name in shown), (shown, str(refused.value))


@for_each("place, command, option, condition", CONDITIONS, ids=itemgetter(0))
def test_an_option_with_its_conditions_is_accepted(place: str, command: Any, option: Any, condition: OnlyWith) -> None:
    typed = [text for one, more in conditions(command) if one is option for text in met(command, more)]
    command.make_parser(typer.Context(command)).parse_args(args=[*required(command), *value(command, option), *typed])


@for_each("words, command", list(commands().items()), ids=itemgetter(0))
def test_an_option_before_the_name_of_a_command_is_refused(words: str, command: Any) -> None:
    if not getattr(command, "commands", None):
        return
    flag = next(value(command, one) for one in command.params if one.param_type_name == "option")
    with pytest.raises(UsageError, match=next(iter(command.commands))):
        command.make_parser(typer.Context(command)).parse_args(args=[*flag, next(iter(command.commands))])


def test_a_word_that_is_no_command_is_not_taken_for_one(etl: Any) -> None:
    code, _, err = etl("doctor", "--json", "nosuch")
    assert code == 2
    assert "nosuch" in err
    assert "--json" not in err


def functions() -> list[tuple[str, Any]]:
    """Functions that commands call, in which an option is allowed only with another of their own parameters."""
    everything = {name: getattr(api, name) for name in dir(api)}
    return [(name, one) for name, one in everything.items() if inspect.isfunction(one) and own_conditions(one)]


def own_conditions(function: Any) -> list[tuple[str, OnlyWith]]:
    found = hints_of(function)
    parameters = inspect.signature(function).parameters
    return [
        (name, one)
        for name, hint in found.items()
        for one in conditions_of(hint)
        if one.other in parameters
        and (one.values or isinstance(one, NotWith) or not one.met(parameters[one.other].default))
    ]


@for_each("name, function", functions(), ids=itemgetter(0))
def test_python_refuses_the_same(name: str, function: Any) -> None:
    """A value that is not the default is given."""
    parameters = inspect.signature(function).parameters
    needed = {
        one: "some"
        for one, facts in parameters.items()
        if facts.default is facts.empty and facts.kind != facts.VAR_KEYWORD
    }
    for given, condition in own_conditions(function):
        default = parameters[given].default
        values = {given: (not default) if isinstance(default, bool) else Path("some") if default is None else "some"}
        if isinstance(condition, NotWith):
            values[condition.other] = next(iter(condition.values), "some")
        elif condition.values and condition.met(parameters[condition.other].default):
            values[condition.other] = "other"
        with pytest.raises(UsageError, match="has no effect"):
            function(**needed | values)


@pytest.mark.parametrize("words", ["report --source published", "papers published --list method"])
def test_folders_may_be_given_where_nothing_needs_them(words: str, etl: Any, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "page.html")] if words.startswith("report") else []
    assert etl(*words.split(), "--runs", str(tmp_path), *out)[0] == 0


def test_defaults_and_options_that_act_are_accepted(tmp_path: Path) -> None:
    from bench.api import report_request

    page = report_request(source="published", runs=tmp_path, out=tmp_path / "page.html")
    assert page.published
    assert report_request(convention="h_of_means", protocol="base-to-new", out=tmp_path / "page.html").protocol
