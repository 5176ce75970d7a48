"""The methods of a sweep with their settings: published or demo, changed by `--set method.key=value`.

Several values of a setting give one variant of the method each, and several such settings their product.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bench.errors import UsageError
from bench.results import known_methods
from bench.spec import CUSTOM_RECIPE
from bench.sweep.axes import selected_methods
from bench.sweep.options import RecipeChoice
from bench.sweep.request import HOSO, SweepRequest
from bench.sweep.task_factory import SupportChoice
from datasets_registry import UnknownNameError

if TYPE_CHECKING:
    from methods import CheckedSettings, MethodFacts, MethodTraits, Recipe, SelectionRule


@dataclass(frozen=True)
class Override:
    """One override of methods whose name fits `pattern`, as typed in `text`.

    The key belongs to the recipe or else to the method's config. Each value is one variant of the methods.
    """

    pattern: str
    recipe: bool
    key: str
    values: tuple[object, ...]
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

    Commas separate values.

    Raises UsageError for a malformed text, a key that is given twice, or an empty or repeated value in a list.
    """
    found: dict[tuple[str, bool, str], Override] = {}
    for text in texts:
        target, equals, raw = text.partition("=")
        target = target.strip()
        if (spaceless := "".join(target.split())) != target:
            raise UsageError(f"--set {text!r} has spaces in its name; write --set '{spaceless}={raw.strip()}'.")
        parts = target.split(".")
        recipe = len(parts) == 3 and parts[1] == "recipe"
        if not equals or not (len(parts) == 2 or recipe) or not all(parts):
            raise UsageError(
                f"--set {text!r} is not of the form method.key=value or method.recipe.key=value; "
                "for example coop.n_ctx=4, coop.n_ctx=4,8,16, 'vpt*.depth=12', '*.recipe.epochs=20'."
            )
        values = _values(raw, text)
        item = Override(pattern=parts[0], recipe=recipe, key=parts[-1], values=values, text=text)
        if (item.pattern, recipe, item.key) in found:
            raise UsageError(f"--set {target} is given twice; write its values as one list, {target}=A,B.")
        found[item.pattern, recipe, item.key] = item
    return list(found.values())


def _values(raw: str, text: str) -> tuple[object, ...]:
    """The values of a list such as `4,8,16`; a value in JSON may contain commas, such as `[5, 4]` or `"a, b"`."""
    found: list[object] = []
    at, decoder = 0, json.JSONDecoder()
    while True:
        at += len(raw[at:]) - len(raw[at:].lstrip())
        try:
            value, end = decoder.raw_decode(raw, at)
            end += len(raw[end:]) - len(raw[end:].lstrip())
        except ValueError:
            value, end = None, -1
        if end < 0 or raw[end : end + 1] not in ("", ","):
            end = raw.find(",", at) if "," in raw[at:] else len(raw)
            value = raw[at:end].strip() if found or end < len(raw) else raw
        found.append(value)
        if end == len(raw):
            break
        at = end + 1
    if len(found) > 1 and "" in found:
        raise UsageError(f"--set {text!r} has an empty value in its list; remove the comma.")
    if len({json.dumps(value, sort_keys=True) for value in found}) < len(found):
        raise UsageError(f"--set {text!r} gives the same value twice; give each once.")
    return tuple(found)


def check_overrides(
    overrides: Sequence[Override],
    fields: Mapping[str, Iterable[str]],
    recipe_fields: Mapping[str, Iterable[str]],
    protocols: Mapping[str, Sequence[str]],
) -> None:
    """Reject overrides without effect, given the config and recipe keys of the selected methods.

    `protocols` lists the protocols for which each method has a recipe.

    Raises:
        UsageError: no selected method matches, or a recipe setting is given for methods without a recipe here.
        UnknownNameError: the matching methods have no such key. The message lists near misses.
    """
    for item in overrides:
        meant = [method for method in fields if item.concerns(method)]
        if not meant:
            raise UsageError(
                f"--set {item.text!r} matches no selected method; selected: {', '.join(sorted(fields)) or 'none'}."
            )
        known = recipe_fields if item.recipe else fields
        keys = {key for method in meant for key in known.get(method, ())}
        if item.key in keys:
            continue
        if item.recipe and not any(method in recipe_fields for method in meant):
            why = "; ".join(_without_recipe(method, protocols.get(method, ())) for method in meant)
            raise UsageError(f"--set {item.text!r} sets a recipe, but {why}.")
        if item.key == "recipe":
            raise UsageError(
                f"--set {item.text!r}: --recipe published or --recipe demo chooses a recipe; change one of its values "
                f"with --set {item.pattern}.recipe.KEY=VALUE, such as {item.pattern}.recipe.epochs=20."
            )
        others = {key for method in meant for key in (fields if item.recipe else recipe_fields).get(method, ())}
        near = get_close_matches(item.key, sorted(others), n=1, cutoff=0.8)
        advice = f" Did you mean {item.pattern}.{'' if item.recipe else 'recipe.'}{near[0]}?" if near else ""
        raise UnknownNameError(
            f"{'recipe ' if item.recipe else ''}setting of {', '.join(meant)}", item.key, keys, advice
        )


def _without_recipe(method: str, protocols: Sequence[str]) -> str:
    """Why a method has no recipe in this sweep."""
    if not protocols:
        return f"{method} is training-free and has none"
    return f"{method} has one only with --protocol {' or '.join(protocols)}"


def overrides_of(
    method: str, keys: Container[str], overrides: Sequence[Override], *, recipe: bool
) -> dict[str, Override]:
    """The overrides of settings of this method, or of its recipe, with these keys, by key.

    An exact method name takes precedence over a pattern. A pattern skips methods without this key.
    """
    mine = [item for item in overrides if item.recipe == recipe and item.concerns(method)]
    exact_last = sorted(mine, key=lambda item: not item.broad)
    return {item.key: item for item in exact_last if item.key in keys or not item.broad}


def _changed_recipe(
    method: str, recipe: Recipe, changes: Mapping[str, object], overrides: Sequence[Override] = ()
) -> Recipe:
    """The recipe with these changes, validated again; its name becomes `custom` if a value differs.

    Raises UsageError, which names the override, for a value that the setting does not accept.
    """
    from methods import without_fields

    values = {**recipe.model_dump(), **changes}
    if "epochs" in changes and "epochs_by_shots" not in changes:
        values["epochs_by_shots"] = {}  # an override of epochs applies to every number of shots
    if "by_dataset" not in changes:  # an override applies to every dataset
        values["by_dataset"] = without_fields(recipe.by_dataset, changes)
    with _problems_named(method, overrides):
        found = type(recipe).model_validate(values)
    return recipe if found == recipe else found.model_copy(update={"name": CUSTOM_RECIPE, "source": ""})


@contextmanager
def _problems_named(method: str, overrides: Collection[Override]) -> Iterator[None]:
    """Raises UsageError, which names the overrides, for invalid values."""
    try:
        yield
    except ValidationError as error:
        raise UsageError(
            f"{'; '.join(_problem(method, detail, overrides) for detail in error.errors(include_url=False))}. "
            f"`etl-bench methods {method}` lists the settings."
        ) from error


def _problem(method: str, detail: ErrorDetails, overrides: Collection[Override]) -> str:
    """The problem of one value, after the override that set it."""
    key = str(detail["loc"][0]) if detail["loc"] else None
    typed = [item for item in overrides if key in (None, item.key)]
    where = f"--set {' '.join(repr(item.text) for item in typed)}" if typed else f"{method} {key}"
    problem = detail["msg"].removeprefix("Value error, ").rstrip(".")
    if key is None or not any(len(item.values) > 1 for item in typed):
        return f"{where}: {problem}"
    one_list = "; write [A, B] for one value that is a list" if detail["type"] in ("tuple_type", "list_type") else ""
    return f"{where}: {key}={detail['input']!r}: {problem}{one_list}"


def _is_zero_shot(facts: MethodTraits) -> bool:
    from methods import Family

    return facts.family is Family.ZERO_SHOT


@dataclass(frozen=True)
class SelectedMethod:
    """A selected method with its settings for this sweep.

    Args:
        recipe: None for training-free methods.
        varied: its values of the settings with several values, such as `n_ctx=4`; empty if there are none.
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
    varied: str = ""

    @property
    def label(self) -> str:
        """Its name, with its values of the settings that have several, as on a leaderboard."""
        return f"{self.facts.name} [{self.varied}]" if self.varied else self.facts.name

    @property
    def zero_shot(self) -> bool:
        """Whether the method depends on neither shots nor seed."""
        return _is_zero_shot(self.facts)

    def trains_on(self, choice: SupportChoice, seeds: Sequence[int]) -> bool:
        """Whether there is a run of this method for that support set in a sweep of these seeds."""
        if self.zero_shot:
            return choice.empty and choice.seed == 0
        if self.facts.reads_test_stream:
            return choice.empty and choice.seed in seeds
        return not choice.empty and self.facts.needs_pool == (choice.pool is not None)

    @property
    def chooses_by_validation(self) -> bool:
        """Whether the validation images choose an epoch or a setting."""
        return self.facts.selects_on_validation(self.settings.values) or self.epoch_selection == "validation"


@dataclass(frozen=True)
class MethodVariants:
    """A requested method with the overrides of its settings and of its recipe, which have one or more values each."""

    facts: MethodFacts
    recipe: Recipe | None
    named: bool
    overrides: tuple[Override, ...]

    @property
    def number(self) -> int:
        """How many variants there are."""
        return math.prod(len(item.values) for item in self.overrides)

    @property
    def zero_shot(self) -> bool:
        """Whether the method depends on neither shots nor seed."""
        return _is_zero_shot(self.facts)

    def selected(self, request: SweepRequest, *, unchecked: bool = False) -> Iterator[SelectedMethod]:
        """Every variant with its settings; raises UsageError for an invalid value unless values are `unchecked`.

        Where the selection rule is also a method setting, both spellings are the same run. Zero-shot selects nothing.
        A method that checks values is imported.
        """
        asked, rules, rule = request.selection, None, None
        if asked is not None and not self.zero_shot:
            rules = offered_selections(self.facts)
            rule = rules.get(asked)
        for values in itertools.product(*(item.values for item in self.overrides)):
            yield self._variant(values, request, rules, rule, unchecked=unchecked)

    def _variant(
        self,
        values: Sequence[object],
        request: SweepRequest,
        rules: Mapping[str, SelectionRule] | None,
        rule: SelectionRule | None,
        *,
        unchecked: bool,
    ) -> SelectedMethod:
        name, asked, given = self.facts.name, request.selection, list(zip(self.overrides, values, strict=True))
        changes = {item.key: value for item, value in given if not item.recipe}
        with _problems_named(name, [item for item in self.overrides if not item.recipe]):
            settled = self.facts.settled if changes and not unchecked else self.facts.unchecked
            settings = settled(request.protocol, {**(rule.settings if rule else {}), **changes})
        recipe, recipe_changes = self.recipe, {item.key: value for item, value in given if item.recipe}
        if recipe is not None:
            recipe = _changed_recipe(name, recipe, recipe_changes, [item for item in self.overrides if item.recipe])
        by_epoch = rule is not None and rule.by_epoch
        unselectable = None
        if rules is not None and rule is None:
            offered = ", ".join(rules)
            unselectable = (
                f"it does not support --selection {asked}, only: {offered}; use one of these or leave the option out."
            )
        elif by_epoch and (barred := settings.epoch_selection_error):
            unselectable = f"it cannot select an epoch by {asked}: {barred}"
        varied = [
            f"{'recipe.' if item.recipe else ''}{item.key}={value}" for item, value in given if len(item.values) > 1
        ]
        return SelectedMethod(
            facts=self.facts,
            settings=settings,
            recipe=recipe,
            named=self.named,
            unselectable=unselectable,
            epoch_selection=("oracle" if asked == "oracle" else "validation") if by_epoch else None,
            varied=", ".join(varied),
        )


def requested_methods(request: SweepRequest) -> list[MethodVariants]:
    """The requested methods with their overrides; raises UsageError for a setting that does not exist."""
    from methods import Selection

    if request.selection is not None and request.selection not in (*Selection, HOSO):
        allowed = ", ".join((*Selection, HOSO))
        raise UsageError(f"--selection {request.selection!r} is unknown. Allowed: {allowed}.")
    known = known_methods()
    overrides = parse_overrides(request.overrides)
    names = selected_methods(request.methods)
    found = {name: known.get(name) for name in names}
    recipes = {name: _recipe(facts, request) for name, facts in found.items()}
    fields = {name: list(type(recipe).model_fields) for name, recipe in recipes.items() if recipe is not None}
    check_overrides(
        overrides,
        {name: list(facts.settings) for name, facts in found.items()},
        fields,
        {name: list(facts.recipes) for name, facts in found.items()},
    )
    return [
        MethodVariants(
            facts,
            recipes[name],
            names[name],
            (
                *overrides_of(name, facts.settings, overrides, recipe=False).values(),
                *(overrides_of(name, fields[name], overrides, recipe=True).values() if name in fields else ()),
            ),
        )
        for name, facts in found.items()
    ]


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
