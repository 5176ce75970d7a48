"""The methods of a sweep with their settings: published or demo, with overrides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import UsageError
from bench.sweep.dataset_names import select
from bench.sweep.option_choices import RecipeChoice
from bench.sweep.overrides import Override, apply_overrides, check_overrides, parse_overrides
from bench.sweep.request import HOSO, SweepRequest
from bench.sweep.task_factory import SupportChoice
from datasets_registry import DatasetInfo

if TYPE_CHECKING:
    from methods import MethodConfig, MethodInfo, Recipe, SelectionRule


@dataclass(frozen=True)
class SelectedMethod:
    """A selected method with its settings for this sweep.

    Args:
        recipe: None for training-free methods.
        named: whether it was requested by name rather than by a pattern.
        unselectable: why it does not support the requested selection; None if it does.
        epoch_selection: images that choose the epoch, `validation` or `oracle`; None if the last epoch is used.
    """

    info: MethodInfo
    config: MethodConfig
    recipe: Recipe | None
    named: bool
    unselectable: str | None = None
    epoch_selection: Literal["validation", "oracle"] | None = None

    @property
    def zero_shot(self) -> bool:
        """Whether the method depends on neither shots nor seed."""
        from methods import Family

        return self.info.family is Family.ZERO_SHOT

    def trains_on(self, choice: SupportChoice, seeds: Sequence[int]) -> bool:
        """Whether there is a run of this method for that support set in a sweep of these seeds."""
        if self.zero_shot:
            return choice.empty and choice.seed == 0
        if self.info.reads_test_stream:
            return choice.empty and choice.seed in seeds
        return not choice.empty

    @property
    def chooses_by_validation(self) -> bool:
        """Whether the validation images choose an epoch or a setting."""
        own = self.info.needs_validation and getattr(self.config, "selection", "validation") == "validation"
        return own or self.epoch_selection == "validation"


def choose_methods(request: SweepRequest) -> list[SelectedMethod]:
    """The selected methods with their settings; raises OverrideError for a setting that does not exist.

    Where the selection rule is also a method setting, both spellings are the same run. Zero-shot selects nothing.
    """
    from methods import known_methods

    known = known_methods()
    names = select(request.methods, known.match)
    infos = {name: known.get(name).info for name in names}
    overrides = parse_overrides(request.overrides)
    recipes = {name: _recipe(info, request) for name, info in infos.items()}
    check_overrides(
        overrides,
        {name: list(info.config.model_fields) for name, info in infos.items()},
        {name: list(type(recipe).model_fields) for name, recipe in recipes.items() if recipe is not None},
        {name: list(info.recipes) for name, info in infos.items()},
    )
    return [_chosen(info, recipes[name], overrides, request, named=names[name]) for name, info in infos.items()]


def _chosen(
    info: MethodInfo, recipe: Recipe | None, overrides: Sequence[Override], request: SweepRequest, *, named: bool
) -> SelectedMethod:
    from methods import Family, Selection

    asked, rules, rule = request.selection, None, None
    if asked is not None and asked not in (*Selection, HOSO):
        raise UsageError(f"--selection {asked!r} is unknown. Allowed: {', '.join((*Selection, HOSO))}.")
    if asked is not None and info.family is not Family.ZERO_SHOT:
        rules = offered_selections(info)
        rule = rules.get(asked)
    published = info.default_config(request.protocol)
    if rule is not None:
        published = published.model_copy(update=dict(rule.settings))
    config = apply_overrides(info.name, published, overrides, recipe=False)
    by_epoch = rule is not None and rule.by_epoch
    unselectable = None
    if rules is not None and rule is None:
        offered = ", ".join(rules)
        unselectable = (
            f"it does not support --selection {asked}, only: {offered}; use one of these or leave the option out."
        )
    elif by_epoch and (barred := config.epoch_selection_error()):
        unselectable = f"it cannot select an epoch by {asked}: {barred}"
    return SelectedMethod(
        info=info,
        config=config,
        recipe=_with_overrides(info.name, recipe, overrides),
        named=named,
        unselectable=unselectable,
        epoch_selection=("oracle" if asked == "oracle" else "validation") if by_epoch else None,
    )


def offered_selections(info: MethodInfo) -> dict[str, SelectionRule]:
    """The selection rules that a method supports, by the values of `--selection`.

    A method that can select with validation images can do so with one held out of the support set (`hoso`).
    """
    from methods import Selection, selection_rules

    found = {str(selection): rule for selection, rule in selection_rules(info).items()}
    return found | ({HOSO: found[Selection.VALIDATION]} if Selection.VALIDATION in found else {})


def settled_recipe(recipe: Recipe | None, shots: int, dataset: DatasetInfo) -> dict[str, Any] | None:
    """The recipe as a spec records it: epochs for these shots, and no views for imported features."""
    if recipe is None:
        return None
    settled = recipe.for_shots(shots)
    return (settled if dataset.backbone is None else settled.on_stored_features()).model_dump(mode="json")


def _recipe(info: MethodInfo, request: SweepRequest) -> Recipe | None:
    from methods import demo_recipe

    published = info.recipe_for(request.protocol)
    return demo_recipe(published) if published and request.recipe is RecipeChoice.DEMO else published


def _with_overrides(method: str, recipe: Recipe | None, overrides: Sequence[Override]) -> Recipe | None:
    """The recipe with overrides. Its name becomes `custom` if a value differs."""
    if recipe is None:
        return None
    changed = apply_overrides(method, recipe, overrides, recipe=True)
    return recipe if changed == recipe else changed.model_copy(update={"name": "custom", "source": ""})
