"""Groups of commands: one that lists its entries by default, and one whose commands have an order and former names."""

from collections.abc import Mapping
from typing import Any

from typer.core import TyperGroup

from bench.errors import UsageError

LIST, SHOW = "list", "show"


class ListsByDefault(TyperGroup):
    """`GROUP` means `GROUP list`, and `GROUP NAME` means `GROUP show NAME` if the group has that command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # ctx is Any: click's context in older typer versions, typer's own from 0.29 on
        first = args[0] if args else "-"
        if first not in self.commands and first not in ctx.help_option_names:
            args = [SHOW if SHOW in self.commands and not first.startswith("-") else LIST, *args]
        return super().parse_args(ctx, args)


def ordered_group(order: tuple[str, ...], renamed: Mapping[str, str]) -> type[TyperGroup]:
    """A group that lists its commands in this order, and answers a former name (of one or two words) with the new one.

    UsageError for a former name.
    """

    class Ordered(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
            return list(order)

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            for words in (args[:2], args[:1]):
                if (new := renamed.get(old := " ".join(words))) is not None:
                    raise UsageError(f"`etl-bench {old}` {new}.")
            return super().resolve_command(ctx, args)

    return Ordered
