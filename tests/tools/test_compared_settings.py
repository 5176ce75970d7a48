"""Every published setting of every method is the official one, or the difference is listed with its reason."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from one_case import for_each

from bench.sweep import SweepRequest, expand
from datasets_registry import EvalProtocol, get_dataset
from methods import Preprocessing, Recipe, get_method, list_methods
from tools.official_settings.compared import (
    ABSENT,
    DATA_SETTINGS,
    NOT_STATED,
    compared_settings,
    counted_settings,
    methods_with_official_settings,
    official_settings,
    our_settings,
    published_cases,
    settings_in_case,
)

METHODS = [info.name for info in list_methods() if ":" not in info.name and info.code]
"""Those with official code."""


def test_every_method_with_official_code_has_official_settings() -> None:
    """A description in `tools/official_settings/sources` adds them; see CONTRIBUTING.md."""
    assert methods_with_official_settings() == sorted(METHODS)


@for_each("method", METHODS)
def test_each_setting_is_the_official_one_on_each_dataset(method: str) -> None:
    official, wrong = official_settings(method), []
    for protocol, dataset, shots in published_cases(get_method(method).info):
        stated = settings_in_case(official, protocol, dataset, shots)
        for setting, ours in our_settings(method, protocol, get_dataset(dataset), shots).items():
            one = stated.get(setting)
            if one is None:
                wrong.append(f"{protocol} {dataset} {shots} {setting}: no source, ours {ours!r}")
            elif not one.explains(ours):
                ours, theirs = without_equal_texts(ours, one.value)
                wrong.append(f"{protocol} {dataset} {shots} {setting}: ours {ours!r}, theirs {theirs!r} ({one.where})")
    assert not wrong, "\n".join(wrong[:20])


def without_equal_texts(ours: Any, theirs: Any) -> tuple[Any, Any]:
    """Two values, and of two lists of the same length only what differs."""
    if not (isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs)):
        return ours, theirs
    pairs = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
    return [one for one, _ in pairs], [other for _, other in pairs]


def test_nine_of_ten_settings_are_stated_by_a_source() -> None:
    stated: Counter[bool] = Counter()
    for method in METHODS:
        official = official_settings(method)
        for case in published_cases(get_method(method).info):
            entries = settings_in_case(official, *case).values()
            stated.update(bool(one.where) for one in entries if one.where or one.stated == NOT_STATED)
    assert stated[True] / stated.total() >= 0.9


@pytest.mark.parametrize(
    ("method", "unstated", "without"), [("coop", False, False), ("atprompt_on", True, False), ("apex", False, True)]
)
def test_settings_are_counted_by_what_states_them(method: str, unstated: bool, without: bool) -> None:
    counts = counted_settings(method)
    assert (counts.unexplained, counts.missing) == (0, 0)
    assert counts.stated == counts.equal + counts.explained > counts.explained > 0
    assert (counts.unstated > 0, counts.without > 0) == (unstated, without)


@for_each("method", METHODS)
def test_a_value_has_one_source_and_a_line(method: str) -> None:
    official = official_settings(method)
    for one in official:
        assert one.stated
        if not one.where:
            assert (one.stated in (NOT_STATED, ABSENT), bool(one.reason)) == (True, True)
            continue
        repository, _, rest = one.where.partition("@")
        assert repository.count("/") == 1
        assert rest.rpartition(":")[2].isdigit(), one.where
    for protocol, dataset, shots in published_cases(get_method(method).info):
        here = Counter(one.setting for one in official if one.holds(protocol, dataset, shots))
        assert not here or max(here.values()) == 1, here.most_common(1)


@pytest.mark.parametrize("method", ["coop", "mmrl", "tip_adapter_f"])
def test_a_spec_has_the_settings_that_were_compared(method: str) -> None:
    dataset = "spectrum_basic"
    request = SweepRequest(
        methods=[method], datasets=[dataset], shots=[4], seeds=[1], protocol="few-shot", recipe="published"
    )
    (spec,) = expand(request).specs
    recipe = Recipe.model_validate(spec.recipe).for_dataset(dataset).model_dump(mode="json")
    config = spec.config | spec.config.get("by_dataset", {}).get(dataset, {})
    ours = our_settings(method, EvalProtocol.FEW_SHOT, get_dataset(dataset), 4)
    for name, value in ours.items():
        part, _, field = name.rpartition(".")
        if part == "recipe":
            assert recipe[field] == value, name
        elif not part and "template" not in name:
            assert config[field] == value, name


def test_what_every_run_has_are_the_defaults_of_a_run() -> None:
    request, images = SweepRequest(methods=["coop"], datasets=["spectrum_basic"]), Preprocessing()
    assert DATA_SETTINGS["precision"] == request.precision
    assert DATA_SETTINGS["seeds"] == request.seeds
    assert DATA_SETTINGS["interpolation"] == images.interpolation
    assert images.resize_mode == "shortest"  # the shorter side is resized, and the centre cropped


def test_a_difference_is_shown_with_its_reason() -> None:
    rows = compared_settings("coop")
    epochs = {row.holds: row for row in rows if row.setting == "recipe.epochs"}
    hundred = epochs["few-shot (all but imagenet at 2, 4 shots)"]
    assert hundred.official == hundred.ours == "100"
    precision = next(row for row in rows if row.setting == "data.precision")
    assert (precision.ours, precision.official) == ("fp32", "'fp16'")
    assert precision.remark
    assert precision.where.startswith("KaiyangZhou/CoOp@")
