"""Command groups whose default command is `show`: it lists all entries, or shows the entry of a given name."""

from typing import Any

from typer.core import TyperGroup

SHOW = "show"


class ShowsByDefault(TyperGroup):
    """`GROUP` and `GROUP NAME` mean `GROUP show` and `GROUP show NAME`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # ctx is Any: click's context in older typer versions, typer's own from 0.29 on
        asks_for_help = bool(args) and args[0] in ctx.help_option_names
        if not asks_for_help and not (args and args[0] in self.commands):
            args = [SHOW, *args]
        return super().parse_args(ctx, args)
