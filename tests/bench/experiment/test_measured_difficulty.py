"""The difficulty of a dataset, also where some classes have no test image."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.context import RunContext
from bench.experiment import measured_difficulty
from datasets_registry import few_shot_draws, get_dataset


@pytest.mark.parametrize(("kept", "measured"), [("base", ["all", "base"]), ("new", ["all", "new"])])
def test_classes_without_test_images_have_no_difficulty(
    kept: str, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    info = get_dataset("spectrum_basic:test=1")
    splits = info.reader(None)
    labels = few_shot_draws.class_halves(len(splits.class_names))[kept == "new"]
    half = replace(splits, test=tuple(sample for sample in splits.test if sample.label in labels))
    monkeypatch.setattr(measured_difficulty, "read_splits", lambda *_: half)
    records = measured_difficulty.measure_difficulty("ViT-tiny.random", info.name, RunContext())
    assert [record.split for record in records] == measured
    assert {record.n_images for record in records} == {len(half.test)}
