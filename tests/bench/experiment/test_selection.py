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
    axes = sweep_over(
        methods=methods.split(","),
        datasets=["spectrum_basic"],
        backbones=["ViT-tiny.random"],
        protocol=EvalProtocol.FEW_SHOT,
        shots=[4],
        seeds=[1],
        selection=selection,
        overrides=overrides,
    )
    return {spec.method: spec for spec in expand(axes).specs}


def test_a_methods_own_way_is_the_run_it_was_without_the_axis() -> None:
    plain = specs("tip_adapter,coop,zero_shot", None)
    assert specs("tip_adapter", "validation")["tip_adapter"] == plain["tip_adapter"]
    assert specs("coop", "last")["coop"] == specs("coop", "fixed")["coop"] == plain["coop"]
    assert specs("zero_shot", "oracle")["zero_shot"] == plain["zero_shot"], "nothing to select"


@pytest.mark.parametrize("way", ["fixed", "oracle"])
def test_another_way_is_the_run_of_that_setting(way: str) -> None:
    assert specs("tip_adapter", way) == specs("tip_adapter", None, f"tip_adapter.selection={way}")
    assert specs("tip_adapter", way) != specs("tip_adapter", None)


def test_the_oracle_of_a_method_without_that_setting_is_its_own() -> None:
    assert specs("apex", "oracle") == specs("apex", None, "apex.ensemble_weight=oracle")


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


@pytest.mark.parametrize("method", ["linear_probe", "gda", "tip_adapter", "tip_adapter_f", "ape"])
def test_an_ensemble_is_a_setting_of_the_methods_with_a_grid(method: str) -> None:
    assert specs(method, "ensemble") == specs(method, None, f"{method}.selection=ensemble")


def test_a_way_that_a_method_lacks_is_refused_with_those_it_has() -> None:
    offered = "last, fixed, validation, oracle, hoso; use one of these or leave the option out"
    with pytest.raises(
        ImpossibleCombinationError, match=f"coop: it does not support --selection ensemble, only: {offered}"
    ):
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
    assert selection_rules(info)
    for way in selection_rules(info).values():
        info.config(**{**info.default_config(EvalProtocol.FEW_SHOT).model_dump(), **way.settings})


TRAINED = [name for name in METHODS if METHODS.get(name).info.recipes]


@for_each("name", TRAINED)
def test_every_trained_method_can_be_asked_for_validation_and_for_an_oracle(name: str) -> None:
    assert {"validation", "oracle"} <= set(selection_rules(METHODS.get(name).info))
