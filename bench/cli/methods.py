"""`etl-bench methods`: lists the methods, and shows a method's card."""

from collections.abc import Mapping
from typing import Any, cast

from bench.api import method_facts, method_rows
from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._groups import LIST, SHOW, ListsByDefault
from bench.cli._options_of import options_of
from bench.cli._print import print_facts, print_rows

methods_app = Commands(
    cls=ListsByDefault,
    help="List the methods, show the card of one (`etl-bench methods NAME`), check one, or start a new method.",
)


@methods_app.command(LIST)
def _list_command(as_json: opt.AsJson = False) -> None:
    """List the methods by name: what each learns, whether it is trained, and whether it classifies new classes."""
    print_rows(method_rows(), as_json=as_json)


@methods_app.command(SHOW)
@options_of(method_facts)
def _show(as_json: opt.AsJson = False, **options: Any) -> None:
    """Show one method: what it trains, the settings for --set, sources, parity, citation.

    Example: etl-bench methods show coop --backbone ViT-B-16.openai --classes 100
    """
    card = method_facts(**options)
    if as_json:
        print_facts(card, as_json=True)
        return
    rows = cast(list[dict[str, str]], card.pop("official_settings"))
    lines: dict[str, list[str]] = {}
    for row in rows:
        setting = row["setting"] if "." in row["setting"] else f"{card['name']}.{row['setting']}"
        lines.setdefault(f"official {setting}", []).append(_beside_official(row))
    if rows:  # they have the values of the recipes
        recipes = {name: cast(dict[str, str], value) for name, value in card.items() if name.startswith("recipe for")}
        card |= {name: f"{recipe['name']}: {recipe['source']}" for name, recipe in recipes.items()}
    print_facts(card | {name: "\n".join(found) for name, found in lines.items()}, as_json=False)


def _beside_official(row: Mapping[str, str]) -> str:
    """Our value, where it holds, and what the official code has, with file and line."""
    official = row["official"].strip("'\"")
    if not row["where"]:
        said = f"{'no official value' if official == 'none' else 'not stated officially'}: {row['remark']}"
    elif row["remark"]:
        said = f"official {official} in {row['where']}: {row['remark']}"
    else:
        said = f"as in {row['where']}" + (f" ({official})" if official not in ("", row["ours"]) else "")
    return f"{row['holds']}: {row['ours']}, {said}" if row["holds"] else f"{row['ours']}, {said}"
