"""The methods of a sweep, each with its settings: published ones, the demo's, and what was set by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench._overrides import Override, apply_overrides, check_overrides, parse_overrides
from bench.sweep._axes import Axes, RecipeChoice, select
from datasets_registry import DatasetInfo

if TYPE_CHECKING:
    from methods import MethodConfig, MethodInfo, Recipe


@dataclass(frozen=True)
class Chosen:
    """A selected method with its settings for this sweep. `recipe` is None where it is not trained."""

    info: MethodInfo
    config: MethodConfig
    recipe: Recipe | None
    named: bool

    @property
    def zero_shot(self) -> bool:
        """Whether it depends on neither shots nor seed."""
        from methods import Family

        return self.info.family is Family.ZERO_SHOT

    @property
    def lacks_recipe(self) -> bool:
        """Whether it is trained, but has no settings for this protocol."""
        return bool(self.info.recipes) and self.recipe is None


def choose_methods(axes: Axes) -> list[Chosen]:
    """The selected methods with their settings; raises OverrideError for a setting that does not exist."""
    from methods import METHODS

    names = select(axes.methods, METHODS.match)
    infos = {name: METHODS.get(name).info for name in names}
    overrides = parse_overrides(axes.overrides)
    recipes = {name: _recipe(info, axes) for name, info in infos.items()}
    check_overrides(
        overrides,
        {name: list(info.config.model_fields) for name, info in infos.items()},
        {name: list(type(recipe).model_fields) for name, recipe in recipes.items() if recipe is not None},
    )
    return [
        Chosen(
            info=info,
            config=apply_overrides(name, info.default_config(axes.protocol), overrides, recipe=False),
            recipe=_with_overrides(name, recipes[name], overrides),
            named=names[name],
        )
        for name, info in infos.items()
    ]


def settled_recipe(recipe: Recipe | None, shots: int, dataset: DatasetInfo) -> dict[str, Any] | None:
    """The recipe as it is written into a spec: epochs for that many shots, and no views where features are imported."""
    if recipe is None:
        return None
    settled = recipe.at(shots)
    return (settled if dataset.backbone is None else settled.on_stored_features()).model_dump(mode="json")


def _recipe(info: MethodInfo, axes: Axes) -> Recipe | None:
    published = info.recipe_for(axes.protocol)
    if published is None or axes.recipe is RecipeChoice.PUBLISHED:
        return published
    from methods._recipe import demo_recipe

    return demo_recipe(published)


def _with_overrides(method: str, recipe: Recipe | None, overrides: Sequence[Override]) -> Recipe | None:
    """The recipe with what was set by hand; it is `custom` as soon as one value differs."""
    if recipe is None:
        return None
    changed = apply_overrides(method, recipe, overrides, recipe=True)
    return recipe if changed == recipe else changed.model_copy(update={"name": "custom", "source": ""})
