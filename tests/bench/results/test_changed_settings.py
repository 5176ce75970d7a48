"""Runs say which of their settings are not the published ones."""

from __future__ import annotations

import json

import pandas as pd

from bench.results.known_facts import changed_recipe, settled_recipe, with_changed_settings
from datasets_registry import EvalProtocol, get_dataset
from methods import get_method

DATASET = "spectrum_basic:test=5"


def test_each_run_is_compared_with_its_method_and_protocol() -> None:
    info = get_method("tcp").info
    protocols = (EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW)
    published = {str(p): info.default_config(p).model_dump(mode="json") for p in protocols}
    recipes = {str(p): settled_recipe(info.recipe_for(p), 2, get_dataset(DATASET)) for p in protocols}
    recipe, config = recipes["few-shot"], published["few-shot"]
    rows = [
        ("tcp", "few-shot", recipe, config, ""),
        ("tcp", "base-to-new", recipes["base-to-new"], published["base-to-new"], ""),
        ("tcp", "few-shot", recipe, config | {"n_ctx": 7}, "n_ctx"),
        ("tcp", "few-shot", recipe, {"gone": 1, "n_ctx": 7, "layer": 3}, "layer,n_ctx"),
        ("zero_shot", "few-shot", None, {}, ""),
        ("not_installed", "few-shot", None, {"depth": 3}, ""),
        ("tcp", "few-shot", recipe | {"lr": 9}, config, "recipe"),
        ("tcp", "few-shot", None, config, "recipe"),
        ("tcp", "few-shot", {}, config, "recipe"),
        ("tcp", "few-shot", recipe | {"lr": 9, "name": "custom"}, config, ""),
    ]
    runs = pd.DataFrame(
        [(method, protocol, *map(json.dumps, values), 2, DATASET) for method, protocol, *values, _ in rows],
        columns=["method", "protocol", "recipe", "config", "shots", "dataset"],
        index=range(len(rows), 0, -1),
    )
    found = with_changed_settings(runs)
    assert found["changed_settings"].to_list() == [changed for *_, changed in rows]
    assert found.drop(columns="changed_settings").equals(runs)
    assert with_changed_settings(runs.head(0))["changed_settings"].empty


def test_a_recipe_is_compared_by_value() -> None:
    recipe = settled_recipe(get_method("coop").info.recipe_for(EvalProtocol.FEW_SHOT), 2, get_dataset(DATASET))

    def changed(values: dict[str, object] | None) -> list[str]:
        return changed_recipe("coop", "few-shot", 2, DATASET, values)

    assert changed(recipe | {"name": "other", "source": "elsewhere"}) == []
    assert changed(json.loads(json.dumps(recipe))) == []
    assert changed(recipe | {"lr": 9, "more": 1}) == ["recipe.lr", "recipe.more"]
    assert changed({key: value for key, value in recipe.items() if key != "lr"}) == ["recipe.lr"]
    assert changed(None) == ["recipe"]
    assert changed_recipe("zero_shot", "few-shot", 0, DATASET, {"lr": 9}) == ["recipe"]
    assert changed_recipe("zero_shot", "few-shot", 0, DATASET, None) == []
    assert changed_recipe("not_installed", "few-shot", 2, DATASET, {"lr": 9}) == []
