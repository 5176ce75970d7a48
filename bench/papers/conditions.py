"""The conditions of a run beside those of a published number, so that like is compared with like. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bench.papers.published_numbers import PUBLISHED, ZERO_SHOT, named_recipes
from bench.results import changed_recipe
from bench.spec import AXES, CUSTOM_RECIPE, LEARNED, NOTHING_LEARNED, PUBLISHED_RECIPES
from datasets_registry import canonical_json


@dataclass(frozen=True)
class RunConditions:
    """What a run of a method is, apart from its seed and its scores.

    Args:
        dataset: that is evaluated; for a transfer protocol one of the targets, or the training dataset.
        config: settings of the method.
        recipe: training settings; None for a method without training.
        recipe_name: its name; None for no recipe.
        published: the published settings of the method for this protocol; None if they are not known.
        trained_on: the dataset with the labelled images; empty if it is `dataset`.
        label: settings that distinguish the run, for sentences; used only where `published` is not known.
    """

    method: str
    backbone: str
    protocol: str
    shots: int
    dataset: str
    config: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] | None = None
    recipe_name: str | None = None
    draw: str = "coop"
    learned: tuple[str, ...] = NOTHING_LEARNED
    published: Mapping[str, Any] | None = None
    trained_on: str = ""
    label: str = ""

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the method; a list of templates as class text is the ensemble of zero-shot CLIP."""
        settings = {**(self.published or {}), **self.config}
        kind, _, value = str(settings.get("class_text", "")).partition(":")
        if self.method != ZERO_SHOT or kind != "ensemble":
            return settings
        del settings["class_text"]
        return settings | {"ensemble": value, "own_template": False}

    @cached_property
    def recipes(self) -> frozenset[str]:
        """Names of the recipes of papers that the run's recipe agrees with, by its values."""
        if self.recipe is None:
            return frozenset({PUBLISHED})
        if self.recipe_name not in (None, CUSTOM_RECIPE, *PUBLISHED_RECIPES):
            return frozenset()
        dataset, recipe = self.trained_on or self.dataset, self.recipe
        changed = []
        if self.recipe_name == CUSTOM_RECIPE:
            changed = changed_recipe(self.method, self.protocol, self.shots, dataset, recipe)
        keys = {key.removeprefix("recipe.") for key in changed}
        named = frozenset(
            name
            for name, values in named_recipes(self.backbone).items()
            if keys <= set(values) and all(_same(recipe.get(key), value) for key, value in values.items())
        )
        return named if keys else named | {PUBLISHED}


def differences(number: Mapping[str, Any], run: RunConditions) -> list[str]:
    """How the training and the settings of a run differ from those of a number of the same cell, one sentence each.

    A number whose source does not say what its recipe is meets a run with the published recipe and with a recipe of a
    paper; one whose source does not say what its settings are meets a run with the published settings.
    """
    reasons = []
    if run.recipe is not None:
        if run.recipe_name not in (None, CUSTOM_RECIPE, *PUBLISHED_RECIPES):
            reasons.append(f"Our runs use the recipe {run.recipe_name!r}.")
        elif number["recipe"] and number["recipe"] not in run.recipes:
            ours = sorted(run.recipes)[0] if run.recipes else CUSTOM_RECIPE
            reasons.append(f"The number is of the recipe {number['recipe']!r}, and our runs use {ours!r}.")
        elif not run.recipes:
            reasons.append(f"Our runs use the recipe {run.recipe_name!r}.")
        draw = number["draw"] or "coop"
        if not run.draw.startswith(draw):
            reasons.append(f"Our runs use the draw {run.draw!r}.")
    for axis, value in zip(LEARNED, run.learned, strict=True):
        if value and (run.recipe is not None or not axis.trained):
            reasons.append(axis.difference_text(value))
    return reasons + _settings_differences(json.loads(number["settings"] or "{}"), run)


def _settings_differences(stated: Mapping[str, Any], run: RunConditions) -> list[str]:
    if run.published is None and not stated:
        return [f"Our runs have the settings {run.label}."] if run.label else []
    wanted = {**(run.published or {}), **stated}
    ours = run.settings
    changed = sorted(key for key in wanted if not _fits(ours.get(key), wanted[key], several=key in stated))
    changed += [key for key in _OPTIONS if key in ours and key not in wanted]
    return [f"Our runs have {', '.join(f'{key}={ours.get(key)}' for key in changed)}."] if changed else []


_OPTIONS = tuple(axis.setting for axis in AXES if axis.setting)
"""Options of a run that a leaderboard lists with the settings; no published number has them."""


def _fits(ours: object, wanted: object, *, several: bool) -> bool:
    """Whether a setting is the wanted one, or one of `several` that a source allows."""
    allowed = wanted if several and isinstance(wanted, list) else [wanted]
    return any(_same(ours, one) for one in allowed)


def _same(ours: object, other: object) -> bool:
    """Whether two settings are equal as JSON, whole numbers as floats."""
    if type(ours) is type(other) and isinstance(ours, str | int | float):  # most settings, without JSON
        return ours == other
    return ours is other or canonical_json(_plain(ours)) == canonical_json(_plain(other))


def _plain(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
