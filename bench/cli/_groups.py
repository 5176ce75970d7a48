"""Groups of commands: one that lists its entries by default, and one whose commands have an order."""

from typing import Any

import typer
from typer.core import TyperGroup

from bench.cli._commands import CheckedGroup

LIST, SHOW = "list", "show"


class ListsByDefault(CheckedGroup):
    """`GROUP` means `GROUP list`, and `GROUP NAME` means `GROUP show NAME` if the group has that command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # ctx is Any: click's context in older typer versions, typer's own from 0.29 on
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [SHOW if self._shows_one(ctx, args) else LIST, *args]
        return super().parse_args(ctx, args)

    def _shows_one(self, ctx: Any, args: list[str]) -> bool:
        """Whether the arguments of a bare group name an entry, before or after options."""
        if SHOW not in self.commands:
            return False
        parser: Any = self.commands[SHOW].make_parser(ctx)
        try:
            values, more, _ = parser.parse_args(list(args))
        except typer.BadParameter.__base__:  # type: ignore[misc]  # the command itself reports it
            return not args[0].startswith("-")
        return bool(values.get("name") or more)


def ordered_group(order: tuple[str, ...]) -> type[TyperGroup]:
    """A group that lists its commands in this order."""

    class Ordered(CheckedGroup):
        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
            return list(order)

    return Ordered
