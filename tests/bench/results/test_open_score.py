"""Stored open scores: they survive the disk and a bundle, and follow from their predictions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_runner import answered
from open_runs import N_BASE, open_run

from bench.record import Predictions, RunRecord
from bench.results.bundles import export_bundle, import_bundle
from bench.results.recomputed_scores import contradiction
from bench.results.shards import Shard, Shards
from bench.results.verification import RepetitionOutcome as Outcome
from bench.results.verification import judge_repetition


def test_it_survives_the_disk_and_a_bundle(tmp_path: Path) -> None:
    record, predictions = open_run()
    shards = Shards(tmp_path / "runs")
    shards.write(record, predictions)
    export_bundle(shards, [record.run_id], tmp_path / "runs.bundle")
    import_bundle(Shards(tmp_path / "other"), tmp_path / "runs.bundle")
    for folder in ("runs", "other"):
        shard = Shards(tmp_path / folder).read(record.run_id)
        assert shard is not None
        assert shard.record == record
        stored = {item.split: item for item in shard.predictions}
        for item in predictions[2:]:
            assert item.open is not None
            np.testing.assert_array_equal(stored[item.split].open.base_confidence, item.open.base_confidence)
            np.testing.assert_array_equal(stored[item.split].open.within, item.open.within)
        assert stored["base"].open is None


def test_a_record_without_open_score_has_no_such_field(tmp_path: Path) -> None:
    record, predictions = answered()
    Shards(tmp_path).write(record, predictions)
    (path,) = tmp_path.rglob("*.json")
    assert "open" not in json.loads(path.read_text())["record"]
    shard = Shards(tmp_path).read(record.run_id)
    assert shard is not None
    assert shard.record.open is None
    assert contradiction(shard.record, shard.predictions) == ""


Change = Callable[[RunRecord, list[Predictions]], tuple[RunRecord, list[Predictions]]]


def claim(**values: float) -> Change:
    def changed(record: RunRecord, predictions: list[Predictions]) -> tuple[RunRecord, list[Predictions]]:
        assert record.open is not None
        return record.model_copy(update={"open": record.open.model_copy(update=values)}), predictions

    return changed


def edit(at: int, **columns: Callable[[Predictions], object]) -> Change:
    """Change columns of the open score in one list of predictions."""

    def changed(record: RunRecord, predictions: list[Predictions]) -> tuple[RunRecord, list[Predictions]]:
        item = predictions[at]
        assert item.open is not None
        opened = replace(item.open, **{name: value(item) for name, value in columns.items()})
        return record, [*predictions[:at], replace(item, open=opened), *predictions[at + 1 :]]

    return changed


def without_columns(record: RunRecord, predictions: list[Predictions]) -> tuple[RunRecord, list[Predictions]]:
    return record, [*predictions[:3], replace(predictions[3], open=None)]


def other_images(record: RunRecord, predictions: list[Predictions]) -> tuple[RunRecord, list[Predictions]]:
    item = predictions[2]
    return record, [*predictions[:2], replace(item, images=tuple(f"x{i}" for i in item.images)), predictions[3]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (claim(openworld_auc=0.999), "openworld_auc is stated as 0.999000, but the predictions give 0."),
        (claim(near_ood_auroc=0.111), "near_ood_auroc is stated as 0.111000, but the predictions give 0."),
        (without_columns, "open-new: its predictions lack the columns of the open score"),
        (other_images, "open-base: its images, labels or groups are not those of base"),
        (edit(3, within=lambda item: np.zeros_like(item.label)), "its predictions among the new names contradict"),
        (edit(2, within=lambda item: (item.open.within + 1) % N_BASE), "contradict those among all names"),
        (edit(2, base_confidence=lambda item: np.abs(item.open.base_confidence)), "logarithm of a probability"),
        (edit(2, base_confidence=lambda item: np.full_like(item.open.base_confidence, -9)), "auc is stated as"),
    ],
)
def test_an_open_score_that_does_not_follow_from_its_predictions_is_found(change: Change, said: str) -> None:
    record, predictions = open_run(seed=3)
    assert contradiction(record, predictions) == ""
    assert said in contradiction(*change(record, predictions))


def test_a_repetition_with_the_same_open_score_is_identical() -> None:
    record, predictions = open_run()
    assert judge_repetition(Shard(record, tuple(predictions)), record, predictions).outcome is Outcome.IDENTICAL
    without = Shard(record.model_copy(update={"open": None}), tuple(predictions[:2]))
    assert judge_repetition(without, record, predictions).outcome is Outcome.DIFFERENT


def test_another_open_score_is_not_identical() -> None:
    record, predictions = open_run()
    changed, _ = claim(near_ood_auroc=0.5)(record, predictions)
    assert judge_repetition(Shard(record, tuple(predictions)), changed, predictions).outcome is not Outcome.IDENTICAL
