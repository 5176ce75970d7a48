"""The axis `selection`: settings that methods have, refused where there is nothing of the kind."""

from __future__ import annotations

import pytest

from bench.errors import ImpossibleCombinationError, UsageError
from bench.sweep import Axes, expand
from datasets_registry._types import EvalProtocol
from methods import METHODS


def specs(methods: str, selection: str | None, *overrides: str) -> dict[str, object]:
    axes = Axes(
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
    assert specs("zero_shot", "oracle")["zero_shot"] == plain["zero_shot"], "the baseline has nothing to select"


@pytest.mark.parametrize("way", ["fixed", "oracle"])
def test_another_way_is_the_run_of_that_setting(way: str) -> None:
    assert specs("tip_adapter", way) == specs("tip_adapter", None, f"tip_adapter.selection={way}")
    assert specs("tip_adapter", way) != specs("tip_adapter", None)


def test_the_oracle_of_a_method_without_that_setting_is_its_own() -> None:
    assert specs("apex", "oracle") == specs("apex", None, "apex.ensemble_weight=oracle")


def test_a_way_that_a_method_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(ImpossibleCombinationError, match="coop: it cannot select by validation, only by: fixed, last"):
        specs("coop,tip_adapter", "validation")
    assert set(specs("tip_*", "oracle")) == {"tip_adapter", "tip_adapter_f"}
    assert "coop" not in specs("co*,tip_*", "oracle"), "what a pattern caught is left out"


def test_an_unknown_way_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(UsageError, match="--selection 'best' is unknown. Allowed: last, fixed, validation, oracle"):
        specs("coop", "best")


@pytest.mark.parametrize("name", list(METHODS))
def test_every_way_that_a_method_offers_is_a_valid_setting(name: str) -> None:
    info = METHODS.get(name).info
    assert info.selections()
    for settings in info.selections().values():
        info.config(**{**info.default_config(EvalProtocol.FEW_SHOT).model_dump(), **settings})
