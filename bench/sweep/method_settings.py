"""The methods of a sweep with their settings: published or demo, changed by `--set method.key=value`."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bench.errors import OverrideError, UsageError
from bench.results import known_methods
from bench.spec import CUSTOM_RECIPE
from bench.sweep.dataset_names import select_names
from bench.sweep.options import RecipeChoice
from bench.sweep.request import HOSO, SweepRequest
from bench.sweep.task_factory import SupportChoice
from datasets_registry import UnknownNameError

if TYPE_CHECKING:
    from methods import CheckedSettings, MethodFacts, MethodTraits, Recipe, SelectionRule


@dataclass(frozen=True)
class Override:
    """One override of methods whose name fits `pattern`, as typed in `text`.

    The key belongs to the recipe or else to the method's config. The value is parsed as JSON if possible.
    """

    pattern: str
    recipe: bool
    key: str
    value: object
    text: str

    @property
    def broad(self) -> bool:
        """Whether it applies to all methods that have this setting."""
        return any(c in self.pattern for c in "*?[")

    def concerns(self, method: str) -> bool:
        """Whether the pattern selects that method."""
        return fnmatchcase(method, self.pattern)


def parse_overrides(texts: Iterable[str]) -> list[Override]:
    """Read `method.key=value` and `method.recipe.key=value`; the method may be a pattern.

    Raises OverrideError for a malformed text, or a key that is given twice.
    """
    found: dict[tuple[str, bool, str], Override] = {}
    for text in texts:
        target, equals, raw = text.partition("=")
        target = target.strip()
        if (spaceless := "".join(target.split())) != target:
            raise OverrideError(f"--set {text!r} has spaces in its name; write --set '{spaceless}={raw.strip()}'.")
        parts = target.split(".")
        recipe = len(parts) == 3 and parts[1] == "recipe"
        if not equals or not (len(parts) == 2 or recipe) or not all(parts):
            raise OverrideError(
                f"--set {text!r} is not of the form method.key=value or method.recipe.key=value; "
                "for example coop.n_ctx=4, 'vpt*.depth=12', '*.recipe.epochs=20'."
            )
        item = Override(pattern=parts[0], recipe=recipe, key=parts[-1], value=_value(raw), text=text)
        if (item.pattern, recipe, item.key) in found:
            raise OverrideError(f"--set {target} is given twice; run the command once for each value.")
        found[item.pattern, recipe, item.key] = item
    return list(found.values())


def check_overrides(
    overrides: Sequence[Override],
    fields: Mapping[str, Iterable[str]],
    recipe_fields: Mapping[str, Iterable[str]],
    protocols: Mapping[str, Sequence[str]],
) -> None:
    """Reject overrides without effect, given the config and recipe keys of the selected methods.

    `protocols` lists the protocols for which each method has a recipe.

    Raises:
        OverrideError: no selected method matches, or a recipe setting is given for methods without a recipe here.
        UnknownNameError: the matching methods have no such key. The message lists near misses.
    """
    for item in overrides:
        meant = [method for method in fields if item.concerns(method)]
        if not meant:
            raise OverrideError(
                f"--set {item.text!r} matches no selected method; selected: {', '.join(sorted(fields)) or 'none'}."
            )
        known = recipe_fields if item.recipe else fields
        keys = {key for method in meant for key in known.get(method, ())}
        if item.key in keys:
            continue
        if item.recipe and not any(method in recipe_fields for method in meant):
            why = "; ".join(_without_recipe(method, protocols.get(method, ())) for method in meant)
            raise OverrideError(f"--set {item.text!r} sets a recipe, but {why}.")
        raise UnknownNameError(f"{'recipe ' if item.recipe else ''}setting of {', '.join(meant)}", item.key, keys)


def _without_recipe(method: str, protocols: Sequence[str]) -> str:
    """Why a method has no recipe in this sweep."""
    if not protocols:
        return f"{method} is training-free and has none"
    return f"{method} has one only with --protocol {' or '.join(protocols)}"


def changes_of(method: str, keys: Container[str], overrides: Sequence[Override], *, recipe: bool) -> dict[str, object]:
    """The values that the overrides give settings of this method, or of its recipe, with these keys.

    An exact method name takes precedence over a pattern. A pattern skips methods without this key.
    """
    mine = [item for item in overrides if item.recipe == recipe and item.concerns(method)]
    exact_last = sorted(mine, key=lambda item: not item.broad)
    return {item.key: item.value for item in exact_last if item.key in keys or not item.broad}


def changed_recipe(method: str, recipe: Recipe, overrides: Sequence[Override]) -> Recipe:
    """The recipe with the overrides for this method, validated again; its name becomes `custom` if a value differs.

    Raises OverrideError for a value that the setting does not accept.
    """
    values = recipe.model_dump()
    changed = changes_of(method, values, overrides, recipe=True)
    values |= changed
    if "epochs" in changed and "epochs_by_shots" not in changed:
        values["epochs_by_shots"] = {}  # an override of epochs applies to every number of shots
    if "epochs" in changed and "epochs_by_dataset" not in changed:
        values.pop("epochs_by_dataset", None)  # and to every dataset
    with _problems_named(method, overrides, recipe=True):
        found = type(recipe).model_validate(values)
    return recipe if found == recipe else found.model_copy(update={"name": CUSTOM_RECIPE, "source": ""})


@contextmanager
def _problems_named(method: str, overrides: Sequence[Override], *, recipe: bool) -> Iterator[None]:
    """Raises OverrideError, which names the overrides, for invalid values."""
    try:
        yield
    except ValidationError as error:
        mine = [item for item in overrides if item.recipe == recipe and item.concerns(method)]
        raise OverrideError(
            f"{'; '.join(_problem(method, detail, mine) for detail in error.errors(include_url=False))}. "
            f"`etl-bench methods {method}` lists the settings."
        ) from error


def _problem(method: str, detail: ErrorDetails, overrides: Sequence[Override]) -> str:
    """The problem of one value, after the override that set it."""
    key = str(detail["loc"][0]) if detail["loc"] else None
    typed = [item.text for item in overrides if key in (None, item.key)]
    where = f"--set {' '.join(repr(text) for text in typed)}" if typed else f"{method} {key}"
    return f"{where}: {detail['msg'].removeprefix('Value error, ').rstrip('.')}"


def _value(raw: str) -> object:
    try:
        return json.loads(raw)
    except ValueError:
        return raw


@dataclass(frozen=True)
class SelectedMethod:
    """A selected method with its settings for this sweep.

    Args:
        recipe: None for training-free methods.
        named: whether it was requested by name rather than by a pattern.
        unselectable: why it does not support the requested selection; None if it does.
        epoch_selection: images that choose the epoch, `validation` or `oracle`; None if the last epoch is used.
    """

    facts: MethodFacts
    settings: CheckedSettings
    recipe: Recipe | None
    named: bool
    unselectable: str | None = None
    epoch_selection: Literal["validation", "oracle"] | None = None

    @property
    def zero_shot(self) -> bool:
        """Whether the method depends on neither shots nor seed."""
        from methods import Family

        return self.facts.family is Family.ZERO_SHOT

    def trains_on(self, choice: SupportChoice, seeds: Sequence[int]) -> bool:
        """Whether there is a run of this method for that support set in a sweep of these seeds."""
        if self.zero_shot:
            return choice.empty and choice.seed == 0
        if self.facts.reads_test_stream:
            return choice.empty and choice.seed in seeds
        return not choice.empty

    @property
    def chooses_by_validation(self) -> bool:
        """Whether the validation images choose an epoch or a setting."""
        own = self.facts.needs_validation and self.settings.values.get("selection", "validation") == "validation"
        return own or self.epoch_selection == "validation"


def choose_methods(request: SweepRequest) -> list[SelectedMethod]:
    """The selected methods with their settings; raises OverrideError for a setting that does not exist.

    Where the selection rule is also a method setting, both spellings are the same run. Zero-shot selects nothing.
    """
    known = known_methods()
    names = select_names(request.methods, known.match)
    found = {name: known.get(name) for name in names}
    overrides = parse_overrides(request.overrides)
    recipes = {name: _recipe(facts, request) for name, facts in found.items()}
    check_overrides(
        overrides,
        {name: list(facts.settings) for name, facts in found.items()},
        {name: list(type(recipe).model_fields) for name, recipe in recipes.items() if recipe is not None},
        {name: list(facts.recipes) for name, facts in found.items()},
    )
    return [_chosen(facts, recipes[name], overrides, request, named=names[name]) for name, facts in found.items()]


def _chosen(
    facts: MethodFacts, recipe: Recipe | None, overrides: Sequence[Override], request: SweepRequest, *, named: bool
) -> SelectedMethod:
    from methods import Family, Selection

    asked, rules, rule = request.selection, None, None
    if asked is not None and asked not in (*Selection, HOSO):
        raise UsageError(f"--selection {asked!r} is unknown. Allowed: {', '.join((*Selection, HOSO))}.")
    if asked is not None and facts.family is not Family.ZERO_SHOT:
        rules = offered_selections(facts)
        rule = rules.get(asked)
    changes = changes_of(facts.name, facts.settings, overrides, recipe=False)
    with _problems_named(facts.name, overrides, recipe=False):
        settings = facts.settled(request.protocol, {**(rule.settings if rule else {}), **changes})
    by_epoch = rule is not None and rule.by_epoch
    unselectable = None
    if rules is not None and rule is None:
        offered = ", ".join(rules)
        unselectable = (
            f"it does not support --selection {asked}, only: {offered}; use one of these or leave the option out."
        )
    elif by_epoch and (barred := settings.epoch_selection_error):
        unselectable = f"it cannot select an epoch by {asked}: {barred}"
    return SelectedMethod(
        facts=facts,
        settings=settings,
        recipe=None if recipe is None else changed_recipe(facts.name, recipe, overrides),
        named=named,
        unselectable=unselectable,
        epoch_selection=("oracle" if asked == "oracle" else "validation") if by_epoch else None,
    )


def offered_selections(info: MethodTraits) -> dict[str, SelectionRule]:
    """The selection rules that a method supports, by the values of `--selection`.

    A method that can select with validation images can do so with one held out of the support set (`hoso`).
    """
    from methods import Selection, selection_rules

    found = {str(selection): rule for selection, rule in selection_rules(info).items()}
    return found | ({HOSO: found[Selection.VALIDATION]} if Selection.VALIDATION in found else {})


def _recipe(facts: MethodFacts, request: SweepRequest) -> Recipe | None:
    from methods import demo_recipe

    published = facts.recipe_for(request.protocol)
    return demo_recipe(published) if published and request.recipe is RecipeChoice.DEMO else published
