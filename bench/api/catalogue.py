"""Methods and backbones: lists and cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from bench.api.options import Arg, Opt
from bench.sweep import DEMO_BACKBONE
from bench.table import Table

if TYPE_CHECKING:
    from methods import MethodFacts


def methods_table() -> Table:
    """One row per method."""
    from bench.results import known_methods

    return Table([_summary(info) for info in known_methods().infos()])


def method_facts(
    name: Annotated[str, Arg("A method, of this package or of another one.")],
    backbone: Annotated[
        str, Opt("Backbone for the parameter count; its weights are not needed.", "-b")
    ] = DEMO_BACKBONE,
    *,
    classes: Annotated[int, Opt("Number of classes for the parameter count.", min=2)] = 10,
    shots: Annotated[int, Opt("Images per class for the parameter count.", min=1)] = 16,
) -> dict[str, object]:
    """The card of a method: what it trains, its settings for `--set`, sources, parity and citation."""
    from bench.api.method_cards import listed, measured, method_card
    from bench.results import known_methods
    from methods import parse_backbone

    facts, spec = known_methods().get(name), parse_backbone(backbone)
    learned = listed(facts, spec, n_classes=classes, shots=shots)
    if learned is None:
        from methods import get_method  # imports torch, to build the method and see what it learns

        learned = measured(get_method(name), spec, n_classes=classes, shots=shots)
    return _summary(facts) | method_card(facts, spec, learned, n_classes=classes, shots=shots)


def _summary(info: MethodFacts) -> dict[str, object]:
    return {
        "name": info.name,
        "title": info.title,
        "family": str(info.family),
        "trained": bool(info.recipes),
        "new_classes": info.open_vocabulary,
        "uses": ", ".join(map(str, info.extras)) or _without_extras(info),
        "summary": info.summary,
    }


def _without_extras(info: MethodFacts) -> str:

    return "class names only" if info.family == "zero-shot" else "labelled images only"


def backbone_rows(family: str | None = None) -> list[dict[str, Any]]:
    """One row per architectures of a family on which the same methods run: an example, and the methods.

    `family` is the name of one, in any case; a name of none has no rows.
    """
    from bench.sweep import backbone_groups

    return [
        {
            "family": group.family,
            "example": group.example,
            "architectures": group.architectures,
            "methods": group.runs,
            "left_out": group.left_out,
        }
        for group in backbone_groups(family)
    ]


def backbone_facts(
    name: Annotated[str, Arg("A family, architecture, arch.tag, ARCH=FILE, hf-hub:ORG/NAME or local-dir:FOLDER.")],
) -> dict[str, Any]:
    """The facts of one backbone: its towers, its weights, and which methods run; raises BenchError if unknown."""
    from bench.sweep import backbone_card

    return backbone_card(name)


def unknown_option_advice(option: str) -> str:
    """How to set a value of the recipe that was given as an option of its own, such as `--epochs`; else empty."""
    from methods import Recipe

    key = option.lstrip("-").replace("-", "_")
    return f" Write --set '*.recipe.{key}=VALUE' instead." if key in Recipe.model_fields else ""


def unknown_name_advice(error: Exception) -> str:
    """What an unknown name is, if it is a method or a collection instead of a dataset, or a dataset; else empty."""
    from bench.api.options import ALL_OF
    from datasets_registry import COLLECTIONS, DATASETS, UnknownNameError

    if not isinstance(error, UnknownNameError) or error.kind not in ("dataset", "method"):
        return ""
    from bench.results import known_methods

    if error.kind == "dataset" and error.name in COLLECTIONS:
        return f" {error.name} is a collection; `datasets fetch` takes {ALL_OF} {error.name}."
    other, names = ("method", known_methods()) if error.kind == "dataset" else ("dataset", DATASETS)
    return f" {error.name} is a {other}." if error.name in names else ""
