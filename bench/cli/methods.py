"""`etl-bench methods`: lists the methods, and shows a method's card."""

from typing import Any

from bench.api import method_facts, methods_table
from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._groups import LIST, SHOW, ListsByDefault
from bench.cli._options_of import options_of
from bench.cli._print import print_facts, print_table

methods_app = Commands(
    cls=ListsByDefault,
    help="List the methods, show the card of one (`etl-bench methods NAME`), check one, or start a new method.",
)


@methods_app.command(LIST)
def _list_command(as_json: opt.AsJson = False) -> None:
    """List the methods by name: what each learns, whether it is trained, and whether it classifies new classes."""
    print_table(methods_table(), as_json=as_json)


@methods_app.command(SHOW)
@options_of(method_facts)
def _show(as_json: opt.AsJson = False, **options: Any) -> None:
    """Show one method: what it trains, the settings for --set, sources, parity, citation.

    Example: etl-bench methods show coop --backbone ViT-B-16.openai --classes 100
    """
    print_facts(method_facts(**options), as_json=as_json)
