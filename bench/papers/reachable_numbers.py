"""Which published numbers a run of this project can be compared with, and why not the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.papers.conditions import RunConditions, meets
from bench.papers.published_numbers import PUBLISHED, members, named_recipes, place_of, rows_of
from bench.results import known_methods, settled_recipe
from bench.spec import CUSTOM_RECIPE
from datasets_registry import BenchError, EvalProtocol, get_dataset

if TYPE_CHECKING:
    import pandas as pd


def run_for(number: Mapping[str, Any]) -> RunConditions | str:
    """The conditions of a run that a number can be compared with, or why there is none.

    Args:
        number: a row of `published_frame()`.
    """
    place = place_of(number)
    if place is None:
        return _no_place(number)
    if number["variant"] and not (number["settings"] or number["recipe"]):
        return "the settings of the variant are not known"
    protocol = EvalProtocol(place.protocols[0])
    try:
        facts = known_methods().get(place.method)
        infos = [get_dataset(dataset) for dataset in members(number)]
    except BenchError as error:
        return str(error).partition(". ")[0].rstrip(".")
    stated = json.loads(number["settings"] or "{}")
    settings = {key: value[0] if isinstance(value, list) else value for key, value in stated.items()}
    if unknown := settings.keys() - facts.settings.keys():
        return f"the method has no setting {min(unknown)}"
    published = facts.recipe_for(protocol)
    if facts.recipes and published is None:
        return f"{place.method} has no recipe for {protocol}"
    recipe = None if published is None else settled_recipe(published, place.shots, infos[0])
    name = None if recipe is None else PUBLISHED
    if recipe is not None and (changes := named_recipes().get(number["recipe"])) is not None:
        recipe, name = recipe | dict(changes) | {"name": CUSTOM_RECIPE}, CUSTOM_RECIPE
    run = RunConditions(
        method=place.method,
        backbone=place.backbone,
        protocol=str(protocol),
        shots=place.shots,
        dataset=infos[0].name,
        config=facts.unchecked(protocol, settings).values,
        recipe=recipe,
        recipe_name=name,
        published=facts.unchecked(protocol).values,
    )
    return run if meets(number, run) else "no run has these conditions"


def reach(published: pd.DataFrame) -> list[str]:
    """For each number, why no run can be compared with it; empty for one that a run can be compared with."""
    found = (run_for(number) for number in rows_of(published))
    return ["" if isinstance(one, RunConditions) else one for one in found]


def _no_place(number: Mapping[str, Any]) -> str:
    if number["metric"] == "training_epochs":
        return "a number of epochs is a setting and no result"
    if number["metric"] == "optimal_alpha":
        return "the best weight is chosen from the results of Table 13"
    return "the source does not state the number of shots"
