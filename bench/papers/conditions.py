"""How runs were trained beside how a published number was, so that like is compared with like. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.analysis import Entry, Setting
from bench.papers.published_numbers import PUBLISHED, ZERO_SHOT, PrintedNumber, named_recipes
from bench.results import changed_recipe
from bench.spec import AXES, CUSTOM_RECIPE, LEARNED, PUBLISHED_RECIPES
from datasets_registry import canonical_json


def recipes_of(setting: Setting, entry: Entry, dataset: str) -> frozenset[str]:
    """Names of the recipes of papers that the recipe of an entry agrees with, by its values.

    `dataset` is the one that is scored; a transfer protocol trains on its source.
    """
    if entry.recipe is None:
        return frozenset({PUBLISHED})
    if entry.recipe_name not in (None, CUSTOM_RECIPE, *PUBLISHED_RECIPES):
        return frozenset()
    recipe, changed = entry.recipe, []
    if entry.recipe_name == CUSTOM_RECIPE:
        changed = changed_recipe(entry.method, setting.protocol, setting.shots, setting.source or dataset, recipe)
    keys = {key.removeprefix("recipe.") for key in changed}
    recipe_names = frozenset(
        name
        for name, values in named_recipes(setting.backbone).items()
        if keys <= set(values) and all(_same(recipe.get(key), value) for key, value in values.items())
    )
    return recipe_names if keys else recipe_names | {PUBLISHED}


def differences(
    number: PrintedNumber,
    setting: Setting,
    entry: Entry,
    recipes: frozenset[str],
    published: Mapping[str, Any] | None,
) -> list[str]:
    """How the training and the settings of an entry differ from those of a number of its cell, one sentence each.

    A number whose source does not say what its recipe is meets a run with the published recipe and with a recipe of a
    paper; one whose source does not say what its settings are meets a run with the published settings.

    Args:
        recipes: those that the recipe of the entry agrees with, `recipes_of`.
        published: the published settings of the method for this protocol; None if they are not known.
    """
    reasons = []
    if entry.recipe is not None:
        if entry.recipe_name not in (None, CUSTOM_RECIPE, *PUBLISHED_RECIPES):
            reasons.append(f"Our runs use the recipe {entry.recipe_name!r}.")
        elif number.recipe and number.recipe not in recipes:
            our_recipe = min(recipes, default=CUSTOM_RECIPE)
            reasons.append(f"The number is of the recipe {number.recipe!r}, and our runs use {our_recipe!r}.")
        elif not recipes:
            reasons.append(f"Our runs use the recipe {entry.recipe_name!r}.")
        if not setting.draw.startswith(number.draw or "coop"):
            reasons.append(f"Our runs use the draw {setting.draw!r}.")
    for axis, value in zip(LEARNED, setting.learned, strict=True):
        if value and (entry.recipe is not None or not axis.trained):
            reasons.append(axis.difference_text(value))
    return reasons + _settings_differences(number.stated, entry, published)


def _settings_differences(stated: Mapping[str, Any], entry: Entry, published: Mapping[str, Any] | None) -> list[str]:
    if published is None and not stated:
        return [f"Our runs have the settings {entry.label}."] if entry.label else []
    expected, settings = {**(published or {}), **stated}, {**(published or {}), **entry.config}
    kind, _, value = str(settings.get("class_text", "")).partition(":")
    if entry.method == ZERO_SHOT and kind == "ensemble":  # such class texts are the ensemble of zero-shot CLIP
        del settings["class_text"]
        settings |= {"ensemble": value, "own_template": False}
    changed = []
    for key in sorted(expected):
        # a source may allow several values of a setting that it states
        allowed = expected[key] if key in stated and isinstance(expected[key], list) else [expected[key]]
        if not any(_same(settings.get(key), accepted) for accepted in allowed):
            changed.append(key)
    changed += [key for key in _OPTIONS if key in settings and key not in expected]
    return [f"Our runs have {', '.join(f'{key}={settings.get(key)}' for key in changed)}."] if changed else []


_OPTIONS = tuple(axis.setting for axis in AXES if axis.setting)
"""Options of a run that a leaderboard lists with the settings; no published number has them."""


def _same(first: object, second: object) -> bool:
    """Whether two settings are equal as JSON, whole numbers as floats."""
    if type(first) is type(second) and isinstance(first, str | int | float):  # most settings, without JSON
        return first == second
    texts = {
        canonical_json(float(value) if isinstance(value, int) and not isinstance(value, bool) else value)
        for value in (first, second)
    }
    return len(texts) == 1
