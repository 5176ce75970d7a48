"""Groups of commands: one that lists its entries by default, and one whose commands have an order."""

from typing import Any

import typer
from typer.core import TyperGroup

from bench.cli._commands import CheckedGroup
from bench.errors import UsageError
from datasets_registry import did_you_mean

LIST, SHOW = "list", "show"


class ListsByDefault(CheckedGroup):
    """`GROUP` means `GROUP list`, and `GROUP NAME` means `GROUP show NAME` if the group has that command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # ctx is Any: click's context in older typer versions, typer's own from 0.29 on
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [SHOW if self._shows_one(ctx, args) else LIST, *args]
        return super().parse_args(ctx, args)

    def _shows_one(self, ctx: Any, args: list[str]) -> bool:
        """Whether the arguments of a bare group name an entry, before or after options.

        Raises UsageError for a word that is neither a command nor the only word.
        """
        if SHOW not in self.commands:
            if args and not args[0].startswith("-"):
                raise self._no_command(ctx, args[0])
            return False
        parser: Any = self.commands[SHOW].make_parser(ctx)
        try:
            values, more, _ = parser.parse_args(list(args))
        except typer.BadParameter.__base__:  # type: ignore[misc]  # the command itself reports it
            return not args[0].startswith("-")
        if args and not args[0].startswith("-") and more and not more[0].startswith("-"):
            raise self._no_command(ctx, args[0])
        return bool(values.get("name") or more)

    def _no_command(self, ctx: Any, word: str) -> UsageError:
        commands = sorted(self.commands)
        shows = f", and `{ctx.command_path} NAME` shows one name at a time" if SHOW in commands else ""
        return UsageError(
            f"`{ctx.command_path}` has no command {word!r}{shows}.{did_you_mean(word, commands, most=1)} Commands: "
            f"{', '.join(commands)}."
        )


def ordered_group(order: tuple[str, ...]) -> type[TyperGroup]:
    """A group that lists its commands in this order."""

    class Ordered(CheckedGroup):
        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
            return list(order)

    return Ordered
