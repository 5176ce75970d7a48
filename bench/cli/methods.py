"""`etl-bench methods`: the catalogue of methods, and the settings of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import _options as opt

if TYPE_CHECKING:
    from methods import MethodInfo


def methods(
    name: Annotated[str | None, typer.Argument(help="Show this method's settings, recipes and citation.")] = None,
    as_json: opt.AsJson = False,
) -> None:
    """List the methods, or show one with everything that --set can change."""
    from bench.cli._print import print_facts, print_rows
    from methods import get_method, list_methods

    if name is None:
        print_rows(
            [_summary(info) for info in list_methods()],
            ["name", "title", "family", "trained", "new_classes", "summary"],
            as_json=as_json,
        )
        return
    info = get_method(name).info
    print_facts(_summary(info) | _details(info), as_json=as_json)


def _summary(info: MethodInfo) -> dict[str, object]:
    return {
        "name": info.name,
        "title": info.title,
        "family": str(info.family),
        "trained": bool(info.recipes),
        "new_classes": info.open_vocabulary,
        "summary": info.summary,
    }


def _details(info: MethodInfo) -> dict[str, object]:
    from datasets_registry._types import EvalProtocol

    facts: dict[str, object] = {
        "needs": sorted(str(need) for need in info.needs),
        "backbone": "a vision transformer" if info.vision_transformer else "any",
    }
    for key, field in info.config.model_fields.items():
        facts[f"{info.name}.{key}"] = (
            f"{field.get_default(call_default_factory=True)!r}  {field.description or ''}".strip()
        )
    for protocol, values in info.config_by_protocol.items():
        facts[f"settings for {protocol}"] = dict(values)
    for protocol in EvalProtocol:
        if (recipe := info.recipe_for(protocol)) is not None:
            facts[f"recipe for {protocol}"] = recipe.model_dump(mode="json")
    return facts | {"citation": info.citation}
