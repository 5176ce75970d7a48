"""The axis `selection`: settings that methods have, or the epoch, refused where there is nothing of the kind."""

from __future__ import annotations

from dataclasses import replace

import pytest
from one_case import for_each
from sweep_requests import sweep_over

from bench.errors import ImpossibleCombinationError
from bench.spec import ExperimentSpec
from bench.sweep import expand
from bench.sweep.read_tasks import TaskReader
from datasets_registry import EvalProtocol, get_dataset
from methods import METHODS, selection_rules


def specs(methods: str, selection: str | None, *overrides: str) -> dict[str, ExperimentSpec]:
    options = {"protocol": EvalProtocol.FEW_SHOT, "shots": [4], "seeds": [1]}
    place = ["spectrum_basic"], ["ViT-tiny.random"]
    axes = sweep_over(methods.split(","), *place, selection=selection, overrides=overrides, **options)
    return {spec.method: spec for spec in expand(axes).specs}


def test_a_methods_own_way_is_the_run_it_was_without_the_axis() -> None:
    plain = specs("tip_adapter,coop,zero_shot", None)
    assert specs("tip_adapter", "validation")["tip_adapter"] == plain["tip_adapter"]
    assert specs("coop", "last")["coop"] == specs("coop", "fixed")["coop"] == plain["coop"]
    assert specs("zero_shot", "oracle")["zero_shot"] == plain["zero_shot"], "nothing to select"


GRIDS = ["linear_probe", "gda", "tip_adapter", "tip_adapter_f", "ape"]


@for_each(
    ("method", "way", "setting"),
    [
        ("tip_adapter", "fixed", "selection"), ("tip_adapter", "oracle", "selection"),
        ("apex", "oracle", "ensemble_weight"), *((method, "ensemble", "selection") for method in GRIDS),
    ],
)  # fmt: skip
def test_another_way_is_the_run_of_that_setting(method: str, way: str, setting: str) -> None:
    assert specs(method, way) == specs(method, None, f"{method}.{setting}={way}") != specs(method, None)


@pytest.mark.parametrize("way", ["validation", "oracle"])
def test_a_chosen_epoch_is_another_run_with_the_same_settings(way: str) -> None:
    plain, chosen = specs("coop", None)["coop"], specs("coop", way)["coop"]
    assert chosen == plain.model_copy(update={"epoch_selection": way})
    assert len({plain.run_id, chosen.run_id, specs("coop", "last")["coop"].run_id}) == 2


def test_a_method_that_searches_keeps_its_own_search() -> None:
    for method in ("tip_adapter_f", "lp_plus_plus", "cross_modal"):
        assert specs(method, "validation")[method] == specs(method, None)[method]
    searched = specs("lp_plus_plus", "oracle")["lp_plus_plus"]
    assert (searched.epoch_selection, searched.config["selection"]) == ("oracle", "last")


def test_a_way_that_a_method_lacks_is_refused_with_those_it_has() -> None:
    offered = "last, fixed, validation, oracle, hoso; use one of these or leave the option out"
    with pytest.raises(ImpossibleCombinationError, match=f"coop: .* --selection ensemble, only: {offered}"):
        specs("coop", "ensemble")
    with pytest.raises(ImpossibleCombinationError, match="--selection last, only: fixed"):
        specs("gda", "last")
    assert set(specs("tip_*", "oracle")) == {"tip_adapter", "tip_adapter_f"}
    assert "coop" not in specs("co*,tip_*", "ensemble"), "the pattern leaves out"


@pytest.mark.parametrize("way", ["validation", "oracle"])
@pytest.mark.parametrize("method", ["promptsrc", "apex_on:promptsrc"])
def test_an_average_over_epochs_has_no_epoch_to_choose(method: str, way: str) -> None:
    told = "it cannot select an epoch by .*: its final prompts are an average over all epochs.*set average=false"
    with pytest.raises(ImpossibleCombinationError, match=told):
        specs(method, way)
    assert specs(method, way, f"{method}.average=false")[method].epoch_selection == way
    assert specs(method, "last")[method] == specs(method, None)[method]


def test_a_task_without_validation_images_has_nothing_to_choose_with(monkeypatch: pytest.MonkeyPatch) -> None:
    info = get_dataset("spectrum_basic")
    splits = replace(info.reader(None), val=())
    monkeypatch.setattr(TaskReader, "_splits", lambda *_, **__: splits)
    with pytest.raises(ImpossibleCombinationError, match="coop on spectrum_basic: there"):
        specs("coop", "validation")
    assert specs("coop", "oracle")


@for_each("name", list(METHODS))
def test_every_way_that_a_method_offers_is_a_valid_setting(name: str) -> None:
    info = METHODS.get(name).info
    rules = selection_rules(info)
    assert rules
    assert not info.recipes or {"validation", "oracle"} <= set(rules)
    for way in rules.values():
        info.config(**{**info.default_config(EvalProtocol.FEW_SHOT).model_dump(), **way.settings})
