"""Commands and groups with one rule for options: empty or doubled ones are refused, and lists add up."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy
from inspect import cleandoc
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from bench.cli._print import remark
from bench.errors import UsageError

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class Commands(typer.Typer):
    """A group of commands, of which each follows the rule."""

    def __init__(self, *, cls: type[TyperGroup] | None = None, **options: Any) -> None:
        super().__init__(cls=cls or CheckedGroup, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[FunctionT], FunctionT]:
        """The decorator that adds a command."""
        return super().command(name, cls=CheckedCommand, **options)


class _Checked:
    """Checks the options of a command as they were typed."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help as it was written: brackets are no markup, and a paragraph has no line breaks of its own."""
        super(_Checked, _literal(self)).format_help(ctx, formatter)  # type: ignore[misc]

    def make_parser(self, ctx: Any) -> Any:
        # ctx is Any: click's context in older typer versions, typer's own from 0.29 on
        parser: Any = super().make_parser(ctx)  # type: ignore[misc]
        parse = parser.parse_args

        def checked(args: list[str]) -> tuple[dict[str, Any], list[str], list[Any]]:
            values, rest, order = parse(args=args)
            if not ctx.resilient_parsing and not any(getattr(option, "is_eager", False) for option in order):
                check_options(values, order)
                if order and rest and rest[0] in getattr(self, "commands", ()):  # such as another folder than it names
                    raise UsageError(f"{_shown(order[0])} acts after the name of a command; give it after `{rest[0]}`.")
            return values, rest, order

        parser.parse_args = checked
        return parser


def _literal(command: Any) -> Any:
    """A copy of a command, with those below it, whose help texts rich prints as they are."""
    literal = copy(command)
    literal.help = _escaped("\n\n".join(part.replace("\n", " ") for part in cleandoc(command.help or "").split("\n\n")))
    literal.short_help = _escaped(command.short_help)
    literal.params = [copy(param) for param in command.params]
    for param in literal.params:
        param.help = _escaped(getattr(param, "help", None))
    if hasattr(command, "commands"):
        literal.commands = {name: _literal(below) for name, below in command.commands.items()}
    return literal


def _escaped(text: str | None) -> str | None:
    from rich.markup import escape

    return None if text is None else escape(text)


class CheckedCommand(_Checked, TyperCommand):
    """A command that follows the rule."""


class CheckedGroup(_Checked, TyperGroup):
    """A group whose own options follow the rule."""


def check_options(values: dict[str, Any], order: Sequence[Any]) -> None:
    """Check the values of options and arguments by name, and these in the order in which they were typed.

    A repeated value of a list counts once, with a note on standard error. Raises UsageError for an option that is given
    twice but takes one value, and for an empty text.
    """
    for option, times in Counter(order).items():
        value = values.get(option.name)
        what = _shown(option)
        texts = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(text, str) and not text.strip() for text in texts):
            raise UsageError(f"{what} is empty; give a value{'' if option.required else ', or leave it out'}.")
        if times > 1 and not option.multiple:
            raise UsageError(f"{what} is given {_times(times)}; give it once.")
        if option.param_type_name == "option" and isinstance(value, list):
            for text, count in Counter(value).items():
                if count > 1:
                    remark(f"note: {what} {shlex.quote(text)} is given {_times(count)} and counts once")
            values[option.name] = list(dict.fromkeys(value))


def _shown(option: Any) -> str:
    """An option by its long names, and an argument as the help shows it."""
    if option.param_type_name != "option":
        return str(option.name).upper()
    return "/".join(max(names, key=len) for names in (option.opts, option.secondary_opts) if names)


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"
