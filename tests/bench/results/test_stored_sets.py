"""Stored prediction sets: they survive the disk, a bundle and the database, and follow from the predictions."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_runner import answered
from one_case import for_each
from pydantic import ValidationError

from bench.analysis import prediction_sets
from bench.errors import BundleError
from bench.record import SETS, Predictions, RunRecord, Score
from bench.results.bundles import export_bundle, import_bundle
from bench.results.checksummed_json import DamagedError
from bench.results.database import fresh_store
from bench.results.predictions import pack_predictions, unpack_predictions
from bench.results.recomputed_scores import contradiction
from bench.results.shards import Shards

Run = tuple[RunRecord, list[Predictions]]
LIMIT = 2.0


def with_sets(**changes: Any) -> Run:
    """A base-to-new run with sets of the base images, as `bench run` stores them, and some changed fields."""
    record, (base, new) = answered()
    sizes = (prediction_sets.class_scores(base.top_logits, base.log_sum_exp) <= LIMIT).sum(axis=1).astype(np.int32)
    assert 0 < sizes.max() <= 5
    sizes = changes.pop("sizes", lambda right: right)(sizes)
    facts = {"set_promise": 0.8, "set_images": 14, "set_threshold": LIMIT}
    facts |= (prediction_sets.set_scores(sizes, base.rank) if sizes is not None else {}) | changes
    first = record.scores[0].model_copy(update=facts)
    return record.model_copy(update={"scores": [first, record.scores[1]]}), [replace(base, set_size=sizes), new]


def test_they_survive_the_disk_a_bundle_and_the_database(tmp_path: Path) -> None:
    record, predictions = with_sets()
    assert contradiction(record, predictions) == ""
    shards = Shards(tmp_path / "runs")
    shards.write(record, predictions)
    export_bundle(shards, [record.run_id], tmp_path / "runs.bundle")
    import_bundle(Shards(tmp_path / "other"), tmp_path / "runs.bundle")
    for folder in ("runs", "other"):
        shard = Shards(tmp_path / folder).read(record.run_id)
        assert shard is not None
        assert shard.record == record
        stored = {item.split: item.set_size for item in shard.predictions}
        assert stored["new"] is None
        np.testing.assert_array_equal(stored["base"], predictions[0].set_size)
        frame = fresh_store(tmp_path / folder).runs_frame().set_index("split")
        assert [frame.loc["base", name] for name in SETS] == [getattr(record.scores[0], name) for name in SETS]
        assert frame.loc["new", list(SETS)].isna().all()


def test_a_record_without_sets_has_no_such_field(tmp_path: Path) -> None:
    record, predictions = answered()
    Shards(tmp_path).write(record, predictions)
    (path,) = tmp_path.rglob("*.json")
    assert not set(SETS) & set(json.loads(path.read_text())["record"]["scores"][0])
    assert fresh_store(tmp_path).runs_frame()[list(SETS)].isna().all(axis=None)


@for_each(
    ("changes", "said"),
    [
        ({"set_size": 1.0}, "set_size is stated as 1.000000, but the predictions give"),
        ({"set_coverage": 1.0}, "set_coverage is stated as 1.000000, but the predictions give"),
        ({"set_threshold": 0.5}, r"the sizes of its sets contradict its threshold \(\d of 6 images\)"),
        ({"set_threshold": -1e308}, "the sizes of its sets contradict its threshold"),
        ({"set_threshold": 1e308}, "the sizes of its sets contradict its threshold"),
        ({"sizes": lambda right: right + 1}, "the sizes of its sets contradict its threshold"),
        ({"sizes": lambda right: right + 8}, "its sets do not all have 0 to 7 classes"),
        ({"sizes": lambda right: right * 0 - 1}, "its sets do not all have 0 to 7 classes"),
        ({"set_images": 3}, "its sets are impossible: a promise of 80 % needs 4 validation images, and there are 3"),
        ({"sizes": lambda _: None, "set_size": 1.0, "set_coverage": 1.0}, "only its score has prediction sets"),
        (dict.fromkeys(SETS), "only its predictions have prediction sets"),
    ],
)  # fmt: skip
def test_sets_that_contradict_the_predictions_are_named(changes: dict[str, Any], said: str) -> None:
    record, predictions = with_sets(**changes)
    problem = contradiction(record, predictions)
    assert re.search(said, problem), problem


def test_new_classes_have_no_sets(tmp_path: Path) -> None:
    record, (base, new) = with_sets()
    facts = {name: getattr(record.scores[0], name) for name in SETS}
    sizes = np.zeros(len(new.images), np.int32)
    moved = record.model_copy(update={"scores": [record.scores[0], record.scores[1].model_copy(update=facts)]})
    problem = contradiction(moved, [base, replace(new, set_size=sizes)])
    assert problem.startswith("new: it has prediction")
    theirs = Shards(tmp_path / "theirs")
    theirs.write(moved, [base, replace(new, set_size=sizes)])
    export_bundle(theirs, [record.run_id], tmp_path / "b.zip")
    with pytest.raises(BundleError, match="it has prediction sets"):
        import_bundle(Shards(tmp_path / "ours"), tmp_path / "b.zip")


@pytest.mark.parametrize(
    "values",
    [
        {"set_size": None}, {"set_size": -1.0}, {"set_size": float("nan")}, {"set_coverage": 1.5},
        {"set_promise": 1.0}, {"set_promise": 0.0}, {"set_images": 0}, {"set_threshold": float("inf")},
    ],
    ids=str,
)  # fmt: skip
def test_a_score_with_impossible_sets_is_refused(values: dict[str, Any]) -> None:
    score = with_sets()[0].scores[0].model_dump()
    assert Score.model_validate(score)
    with pytest.raises(ValidationError):
        Score.model_validate(score | values)


def test_sizes_that_are_no_whole_numbers_are_damage() -> None:
    _, (base, _) = with_sets()
    assert base.set_size is not None
    packed = pack_predictions([base])
    wrong = packed.replace(b'base/set_size":{"dtype":"I32"', b'base/set_size":{"dtype":"F32"')
    assert wrong != packed
    with pytest.raises(DamagedError, match="'base' do not fit 6"):
        unpack_predictions(wrong)
