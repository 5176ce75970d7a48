"""Tip-Adapter's settings that the official configurations set for each dataset."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from one_case import for_each
from parity_kit import class_set, support_view, tiny_backbone

from bench.sweep import SweepRequest, expand
from datasets_registry import EvalProtocol
from methods import Method, get_method

# init_alpha, search_scale and train_epoch of configs/*.yaml of gaopengcuhk/Tip-Adapter, commit d0e2d6f
OFFICIAL = {
    "caltech101": (3, (12, 5), 20),
    "dtd": (2, (13, 13), 20),
    "eurosat": (2, (12, 10), 100),
    "fgvc_aircraft": (5, (30, 30), 20),
    "food101": (1.17, (10, 10), 20),
    "imagenet": (1.17, (7, 3), 20),
    "oxford_flowers": (10, (50, 50), 20),
    "oxford_pets": (1.17, (7, 3), 20),
    "stanford_cars": (3, (20, 10), 20),
    "sun397": (1.17, (12, 10), 20),
    "ucf101": (3, (7, 3), 20),
}
METHODS = ("tip_adapter", "tip_adapter_f")


def prepared(name: str, dataset: str | None, **settings: object) -> Method:
    info = get_method(name).info
    values = info.settled(EvalProtocol.FEW_SHOT, {"augment_epochs": 1, **settings}).values
    config = info.config.model_validate(values).for_dataset(dataset or "")
    method = get_method(name)(tiny_backbone(), config, torch.Generator().manual_seed(0))
    classes = replace(class_set("base"), dataset=dataset)
    method.prepare(support_view(tiny_backbone(), classes))
    return method


@for_each("name", METHODS)
@for_each("dataset", [*OFFICIAL, "spectrum_basic", None])
def test_alpha_and_the_searched_range_are_the_official_ones_of_the_dataset(name: str, dataset: str | None) -> None:
    alpha, search_scale, _ = OFFICIAL.get(dataset or "", OFFICIAL["sun397"])
    method = prepared(name, dataset)
    assert float(method.cache.alpha) == pytest.approx(alpha)
    found = list(method.candidates(class_set("base")))
    last_alpha, last_beta = (0.9 * (largest - 0.1) + 0.1 for largest in reversed(search_scale))
    assert found[-1] == f"alpha {last_alpha:.2f}, beta {last_beta:.2f}"


def test_only_tip_adapter_f_learns_the_keys_of_its_cache() -> None:
    assert not prepared("tip_adapter", None).cache.keys.requires_grad
    assert prepared("tip_adapter_f", None).cache.keys.requires_grad


@pytest.mark.parametrize("name", METHODS)
def test_settings_that_are_given_hold_on_every_dataset(name: str) -> None:
    method = prepared(name, "eurosat", alpha=0.5, search_scale=(2, 3))
    assert float(method.cache.alpha) == 0.5
    assert list(method.candidates(class_set("base")))[-1] == "alpha 2.71, beta 1.81"


def test_the_epochs_are_the_official_ones_of_the_dataset() -> None:
    recipe = get_method("tip_adapter_f").info.recipe_for(EvalProtocol.FEW_SHOT)
    assert recipe is not None
    assert recipe.name == "published by dataset"
    for dataset, (_, _, epochs) in OFFICIAL.items():
        assert recipe.for_dataset(dataset).epochs_for(16) == epochs
    assert recipe.for_dataset("spectrum_basic").epochs_for(16) == 20


def test_one_entry_of_a_board_holds_all_datasets() -> None:
    """The settings of a spec name the rule, not the values of one dataset."""
    datasets = ["spectrum_basic", "spectrum_words"]
    axes = {"datasets": datasets, "shots": [1], "seeds": [1], "protocol": "few-shot"}
    specs = expand(SweepRequest(methods=["tip_adapter_f"], **axes)).specs
    assert len({str((spec.config, spec.recipe)) for spec in specs}) == 1
    assert specs[0].recipe is not None
    assert specs[0].recipe["by_dataset"] == {"eurosat": {"epochs": 100}}
