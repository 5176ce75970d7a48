"""`etl-bench methods`: lists the methods, shows a method's card, and starts a new method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import _options as opt
from bench.cli._groups import SHOW, ShowsByDefault
from bench.cli._print import print_facts, print_line, print_rows

if TYPE_CHECKING:
    from methods import MethodFacts

methods_app = typer.Typer(
    cls=ShowsByDefault,
    help="List the methods, show the card of one (`etl-bench methods NAME`), or start a new method.",
)


@methods_app.command(SHOW)
def show(
    name: Annotated[str | None, typer.Argument(help="Show this method's card.")] = None,
    backbone: Annotated[
        str, typer.Option("-b", "--backbone", help="Backbone for the parameter count; its weights are not needed.")
    ] = opt.DEMO_BACKBONE,
    classes: Annotated[int, typer.Option("--classes", min=2, help="Number of classes for the parameter count.")] = 10,
    shots: Annotated[int, typer.Option("--shots", min=1, help="Images per class for the parameter count.")] = 16,
    as_json: opt.AsJson = False,
) -> None:
    """List the methods, or show one: what it trains, the settings for --set, sources, parity, citation.

    Example: etl-bench methods show coop --backbone ViT-B-16.openai --classes 100
    """
    from bench.results import known_methods

    known = known_methods()
    if name is None:
        print_rows([_summary(facts) for facts in known.infos()], as_json=as_json)
        return
    facts = known.get(name)
    from bench.api import listed, measured, method_card
    from methods import parse_backbone

    spec = parse_backbone(backbone)
    learned = listed(facts, spec, n_classes=classes, shots=shots)
    if learned is None:
        from methods import get_method  # imports torch, to build the method and see what it learns

        learned = measured(get_method(name), spec, n_classes=classes, shots=shots)
    card = method_card(facts, spec, learned, n_classes=classes, shots=shots)
    print_facts(_summary(facts) | card, as_json=as_json)


@methods_app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Name of the method: lower-case letters, digits and underscores.")],
    family: Annotated[
        str, typer.Option("--family", help="What it learns: 'text prompt', 'cache', 'classifier', ...; see `methods`.")
    ] = "feature adapter",
) -> None:
    """Start a method: in a checkout its file, test and changelog line, elsewhere a separate package.

    The generated method passes `etl-bench check NAME`. The places to edit are marked EDIT.
    """
    from bench.conformance import scaffold
    from methods import Family

    written = scaffold(name, opt.parse_choice(Family, family, "--family"), Path.cwd())
    for path in written.files:
        print_line(str(path.relative_to(Path.cwd())))
    if written.install is not None:
        print_line(f"next: pip install --editable {written.install.relative_to(Path.cwd())}")
    print_line(f"next: edit the places marked EDIT, then run `etl-bench check {name}`")


def _summary(info: MethodFacts) -> dict[str, object]:
    return {
        "name": info.name,
        "title": info.title,
        "family": str(info.family),
        "trained": bool(info.recipes),
        "new_classes": info.open_vocabulary,
        "summary": info.summary,
    }
