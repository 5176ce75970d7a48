import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd
import pytest
from simulated_boards import entry as trained_entry

from bench.analysis import Entry, Setting
from bench.papers.conditions import differences, recipes_of
from bench.papers.published_numbers import PrintedNumber, named_recipes, numbers_of
from bench.results import known_methods, published_values, settled_recipe
from datasets_registry import EvalProtocol, get_dataset


@pytest.fixture(scope="module")
def apex(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["reported_in"].str.startswith("APEX")]


def number(apex: pd.DataFrame, table: str, method: str, dataset: str = "eurosat", split: str = "new", **more: object):
    rows = [
        row
        for row in numbers_of(apex)
        if (row.source_table.partition(" (")[0], row.method, row.dataset, row.split) == (table, method, dataset, split)
        and all(getattr(row, key) == value for key, value in more.items())
    ]
    assert rows
    return rows[0]


@dataclass(frozen=True)
class Run:
    """Zero-shot CLIP with published settings on ImageNet, or a run with other conditions."""

    method: str = "zero_shot"
    backbone: str = "ViT-B-16.openai"
    protocol: str = "few-shot"
    shots: int = 0
    dataset: str = "imagenet"
    config: Mapping[str, object] = field(default_factory=dict)
    recipe: Mapping[str, object] | None = None
    recipe_name: str | None = None

    @property
    def trained(self) -> tuple[Setting, Entry]:
        setting = Setting(self.backbone, self.protocol, self.shots, "coop", "fp32")
        return setting, trained_entry(self.method, self.config, self.recipe, self.recipe_name)

    @property
    def recipes(self) -> frozenset[str]:
        return recipes_of(*self.trained, self.dataset)

    def differences(self, number: PrintedNumber) -> list[str]:
        return differences(number, *self.trained, self.recipes, published_values(self.method, self.protocol))


def test_a_number_meets_runs_of_its_recipe_and_settings_only(apex: pd.DataFrame) -> None:
    facts = known_methods().get("maple")
    recipe = settled_recipe(facts.recipe_for(EvalProtocol.BASE_TO_NEW), 16, get_dataset("eurosat"))
    maple = {"method": "maple", "protocol": "base-to-new", "shots": 16, "dataset": "eurosat"}
    plain = Run(**maple, recipe=recipe, recipe_name="published")
    changed = recipe | dict(named_recipes()["apex"]) | {"name": "custom"}
    assert changed["lr"] == 0.25
    runs = [Run(**maple, recipe=changed, recipe_name="custom"), plain]
    numbers = number(apex, "Table 2", "maple"), number(apex, "Table 9", "maple")
    assert [[not each.differences(one) for each in runs] for one in numbers] == [[True, False], [False, True]]
    beta = [number(apex, "Table 12", "apex", settings=f'{{"beta":{value}}}') for value in ("2.0", "4.0")]
    default = Run(method="apex", protocol="base-to-new")
    assert [bool(default.differences(one)) for one in beta] == [True, False]
    assert not replace(default, config={"beta": 2}).differences(beta[0])


def test_an_ensemble_of_texts_is_a_condition_of_zero_shot_also_as_class_text(frame: pd.DataFrame) -> None:
    frame = frame.query("method == 'zero_shot' and dataset == 'imagenet' and protocol == 'zero-shot'")
    frame = frame[frame["backbone"] == "ViT-B-16.openai"]
    numbers = [numbers_of(frame[frame["variant"] == name])[0] for name in ("", "text ensemble", "80 ImageNet texts")]
    by_list = [Run(config={"ensemble": name, "own_template": False}) for name in ("select7", "imagenet80")]
    runs = [Run(), *by_list, Run(config={"class_text": "ensemble:imagenet80"})]
    assert [[not each.differences(one) for each in runs] for one in numbers] == [
        [True, False, False, False],
        [False, True, True, True],
        [False, False, True, True],
    ]


def test_a_published_recipe_can_be_the_one_of_another_paper_on_its_backbone() -> None:
    """CoOp's own recipe has 100 epochs for four shots, as BiomedCoOp's has for any number."""
    recipe = settled_recipe(known_methods().get("coop").recipe_for(EvalProtocol.FEW_SHOT), 4, get_dataset("btmri"))
    coop = {"method": "coop", "shots": 4, "dataset": "btmri", "recipe": recipe, "recipe_name": "published"}
    assert Run(**coop, backbone="BiomedCLIP.pmc15m").recipes == {"published", "biomedcoop-coop"}
    assert Run(**coop).recipes == {"published"}


def test_settings_of_conditions_are_canonical(apex: pd.DataFrame) -> None:
    for text in apex["settings"].unique():
        assert not text or json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) == text
