"""Runs say which of their settings are not the published ones."""

from __future__ import annotations

import json

import pandas as pd

from bench.results.method_facts import changed_settings, with_changed_settings
from datasets_registry import EvalProtocol
from methods import get_method


def test_only_other_values_of_known_settings_count() -> None:
    published = {"depth": 9, "context": {"words": "a photo", "length": 4}}
    assert changed_settings(published, published) == ()
    other = {"depth": 3, "context": {"words": "a photo", "length": 2}}
    assert changed_settings(other, published) == ("context", "depth")
    assert changed_settings({"depth": 9, "gone": 1}, published) == ()
    assert changed_settings({"depth": 9}, published) == ()


def test_each_run_is_compared_with_its_method_and_protocol() -> None:
    info = get_method("tcp").info
    protocols = (EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW)
    published = {str(p): info.default_config(p).model_dump(mode="json") for p in protocols}
    other = published["few-shot"] | {"n_ctx": 7}
    rows = [
        ("tcp", "few-shot", json.dumps(published["few-shot"])),
        ("tcp", "base-to-new", json.dumps(published["base-to-new"])),
        ("tcp", "few-shot", json.dumps(other)),
        ("tcp", "few-shot", json.dumps(other)),
        ("zero_shot", "few-shot", None),
        ("not_installed", "few-shot", '{"depth": 3}'),
    ]
    runs = pd.DataFrame(rows, columns=["method", "protocol", "config"], index=[5, 4, 3, 2, 1, 0])
    found = with_changed_settings(runs)
    assert found["changed_settings"].to_list() == ["", "", "n_ctx", "n_ctx", "", ""]
    assert found.drop(columns="changed_settings").equals(runs)
    assert with_changed_settings(runs.head(0))["changed_settings"].empty
