"""Names of entries: the method, and the settings that distinguish its entries."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.analysis.leaderboard.runs import EPOCH, Run
from bench.spec import DEMO_RECIPE, PUBLISHED_RECIPES

ORACLE = "oracle"
"""Value of every method's selection setting that uses test labels."""
ENSEMBLE = "ensemble"
"""Value of every method's selection setting that averages all candidates."""
RECIPE = "recipe"
_DEFAULTS = {"class_text": "template", EPOCH: "last"}
"""Values of settings that a run records only if they differ from these."""


def entry_keys(runs: Sequence[Run]) -> dict[tuple[str, str, str], str]:
    """A unique key for each method x config x recipe, with only the settings that differ between a method's entries.

    An oracle or ensemble setting, a selected epoch, changed settings, and a recipe that is not the published one are
    always included, except that a leaderboard of a demo does not repeat its recipe in each row.
    """
    changed: dict[str, set[str]] = {}
    for run in runs:
        changed.setdefault(run.method, set()).update(run.changed)
    names: dict[tuple[str, str, str], str | None] = {run.identity: run.recipe_name for run in runs}
    of_demo = set(names.values()) - {None} == {DEMO_RECIPE}
    labels: dict[tuple[str, str, str], str] = {}
    for method in sorted({identity[0] for identity in names}):
        siblings = sorted(identity for identity in names if identity[0] == method)
        flat = {identity: _flat(json.loads(identity[1])) for identity in siblings}
        recipes = {identity[2] for identity in siblings}
        if len(recipes) > 1:
            named = {identity[2]: names[identity] for identity in siblings}
            by_name = None not in named.values() and len(set(named.values())) == len(recipes)
            for identity in siblings:
                flat[identity] |= (
                    {RECIPE: str(names[identity])} if by_name else _flat(json.loads(identity[2]) or {}, "recipe.")
                )
        elif not of_demo and names[siblings[0]] not in (None, *PUBLISHED_RECIPES):
            flat = {identity: values | {RECIPE: str(names[identity])} for identity, values in flat.items()}
        keys = sorted({key for values in flat.values() for key in values})
        flat = {identity: _DEFAULTS | values for identity, values in flat.items()}
        found = {key: {flat[identity].get(key, "unset") for identity in siblings} for key in keys}
        always = {key for key in keys if key in (EPOCH, RECIPE) or key.split(".")[0] in changed[method]}
        naming = [key for key in keys if len(found[key]) > 1 or key in always or found[key] & {ORACLE, ENSEMBLE}]
        for identity in siblings:
            text = ", ".join(f"{key}={flat[identity].get(key, 'unset')}" for key in naming)
            labels[identity] = f"{method} [{text}]" if naming else method
    return labels


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat
