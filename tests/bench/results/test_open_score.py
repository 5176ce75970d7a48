"""Stored open scores follow from their predictions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_runner import answered, relabelled, rescored
from open_runs import open_run

from bench.record import Predictions, RunRecord
from bench.results.recomputed_scores import contradiction
from bench.results.shards import Shard, Shards
from bench.results.verification import RepetitionOutcome as Outcome
from bench.results.verification import judge_repetition


def test_a_record_without_open_score_has_no_such_field(tmp_path: Path) -> None:
    record, predictions = answered()
    Shards(tmp_path).write(record, predictions)
    (path,) = tmp_path.rglob("*.json")
    assert "open" not in json.loads(path.read_text())["record"]
    shard = Shards(tmp_path).read(record.run_id)
    assert shard.record.open is None
    assert contradiction(shard.record, shard.predictions) == ""


Change = Callable[[RunRecord, list[Predictions]], tuple[RunRecord, list[Predictions]]]


def claim(metric: str) -> Change:
    def changed(record: RunRecord, predictions: list[Predictions]) -> tuple[RunRecord, list[Predictions]]:
        better = record.open.model_copy(update={"new": record.open.new.model_copy(update={metric: 0.999})})
        return record.model_copy(update={"open": better}), predictions

    return changed


def other_images(record: RunRecord, predictions: list[Predictions]) -> tuple[RunRecord, list[Predictions]]:
    item = predictions[2]
    return record, [*predictions[:2], replace(item, images=tuple(f"x{i}" for i in item.images)), predictions[3]]


def other_groups(record: RunRecord, predictions: list[Predictions]) -> tuple[RunRecord, list[Predictions]]:
    grouped = replace(predictions[3], group=np.zeros(len(predictions[3].images), np.int32))
    return record, [*predictions[:3], grouped]


def other_labels(record: RunRecord, predictions: list[Predictions]) -> tuple[RunRecord, list[Predictions]]:
    """The true labels become what was predicted, and the score follows from them."""
    forged = relabelled(predictions[2])
    base = rescored(forged, record.open.base.n_classes)
    opened = record.open.model_copy(update={"base": base})
    return record.model_copy(update={"open": opened}), [*predictions[:2], forged, predictions[3]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (claim("accuracy"), "open-new: accuracy is stated as 0.999000, but the predictions give 0."),
        (other_labels, "open-base: its images, labels or groups are not those of base"),
        (other_images, "open-base: its images, labels or groups are not those of base"),
        (other_groups, "open-new: its images, labels or groups are not those of new"),
    ],
)
def test_an_open_score_that_does_not_follow_from_its_predictions_is_found(change: Change, said: str) -> None:
    record, predictions = open_run(seed=3)
    assert contradiction(record, predictions) == ""
    assert said in contradiction(*change(record, predictions))


def test_a_repetition_with_the_same_open_score_alone_is_identical() -> None:
    record, predictions = open_run()
    assert judge_repetition(Shard(record, tuple(predictions)), record, predictions).outcome is Outcome.IDENTICAL
    without = Shard(record.model_copy(update={"open": None}), tuple(predictions[:2]))
    assert judge_repetition(without, record, predictions).outcome is Outcome.DIFFERENT
    changed, _ = claim("accuracy")(record, predictions)
    assert judge_repetition(Shard(record, tuple(predictions)), changed, predictions).outcome is not Outcome.IDENTICAL
