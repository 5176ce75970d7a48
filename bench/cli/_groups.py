"""A group of commands that stands for one of them: bare it lists, with a name it shows."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

SHOW = "show"


class ShowsByDefault(TyperGroup):
    """`GROUP` and `GROUP NAME` mean `GROUP show` and `GROUP show NAME`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # Any: typer's context is click's or, from 0.29 on, one of its own
        asks_for_help = bool(args) and args[0] in ctx.help_option_names
        if not asks_for_help and not (args and args[0] in self.commands):
            args = [SHOW, *args]
        return super().parse_args(ctx, args)
