"""Files of today's format, written on another machine, are read, and their runs are reproduced.

`tests/fixtures/stored_runs` is a runs folder with one run of CoOp (base-to-new, 2 shots) and one measured difficulty,
and a bundle with another run of CoOp (few-shot). Both have curves of an earlier version, the first one an open score.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bundle_files import shard_files
from places import FIXTURES

from bench.context import RunContext
from bench.experiment.runner import measure_difficulty, run_experiment
from bench.record import SCORES_VERSION
from bench.results.bundles import import_bundle
from bench.results.predictions import pack_predictions
from bench.results.recomputed_scores import contradiction, split_scores
from bench.results.shards import Shard, Shards
from bench.results.verification import RepetitionOutcome as Outcome
from bench.results.verification import judge_repetition

STORED = FIXTURES / "stored_runs"
RUN_ID, BUNDLED_RUN_ID = "0b51b78f03f19251", "1f63b504525dbdcb"
ROUNDING = 1e-3
"""Largest difference of a logit that another processor or release of torch may cause; logits are around 30."""


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    shutil.copytree(STORED, tmp_path / "runs")
    return Shards(tmp_path / "runs")


def only_shard(shards: Shards, run_id: str) -> Shard:
    shard = shards.read(run_id)
    assert not list(shards.runs.rglob("*.damaged-*"))
    return shard


def check_reproduced(stored: Shard) -> None:
    """Recompute a run from the images. No margin is so small that rounding could change a prediction."""
    made = stored.record.provenance
    record, predictions = run_experiment(stored.record.spec, RunContext(threads=made.threads))
    found = judge_repetition(stored, record, predictions)
    for part in stored.predictions:
        first, second = np.sort(part.top_logits.astype(float), axis=1)[:, :-3:-1].T
        assert (first - second).min() > 2 * ROUNDING
    assert found.outcome in (Outcome.IDENTICAL, Outcome.ROUNDING)
    assert found.flips == 0
    assert found.largest_logit_difference <= ROUNDING


def test_a_shard_is_written_again_with_the_same_content(shards: Shards, tmp_path: Path) -> None:
    shard = only_shard(shards, RUN_ID)
    again = Shards(tmp_path / "again")
    again.write(shard.record, shard.predictions)
    path, _ = shard_files(shards.runs, RUN_ID)
    assert pack_predictions(only_shard(again, RUN_ID).predictions) == pack_predictions(shard.predictions)
    stored, written = (json.loads(file.read_text())["record"] for file in (path, shard_files(again.runs, RUN_ID)[0]))
    changed = {"scores", "open", "scores_version", "curve"}
    assert {key: value for key, value in written.items() if key not in changed} == {
        key: value for key, value in stored.items() if key not in changed
    }


def test_scores_of_an_older_definition_are_recomputed_from_the_predictions(shards: Shards) -> None:
    """The file was written before scores had a version, and some of its scores came from logits in full precision."""
    stated = json.loads(shard_files(shards.runs, RUN_ID)[0].read_text())["record"]
    assert "scores_version" not in stated
    shard = only_shard(shards, RUN_ID)
    assert shard.record.scores_version == SCORES_VERSION
    for score, before in zip(shard.record.scores, stated["scores"], strict=True):
        assert score.accuracy == before["accuracy"]
        assert score.nll == pytest.approx(before["nll"], abs=1e-5)
        item = next(item for item in shard.predictions if item.split == score.split)
        assert score.ece == split_scores(item, score.n_classes)["ece"]


def test_a_run_has_the_same_id_and_is_reproduced(shards: Shards) -> None:
    assert list(shards.scan()) == [RUN_ID]
    shard = only_shard(shards, RUN_ID)
    assert shard.record.spec.run_id == RUN_ID == shard.record.run_id
    assert contradiction(shard.record, shard.predictions) == ""
    check_reproduced(shard)


def test_a_difficulty_is_read_and_reproduced(shards: Shards) -> None:
    assert shards.difficulties.has("ViT-demo.drawn", "spectrum_basic")
    old = shards.difficulties.all()
    new = measure_difficulty("ViT-demo.drawn", "spectrum_basic", RunContext())
    assert [record.split for record in old] == [record.split for record in new] == ["all", "base", "new"]
    for before, now in zip(old, new, strict=True):
        assert now.data_fingerprint == before.data_fingerprint
        assert now.measures == pytest.approx(before.measures, rel=1e-4, nan_ok=True)


def test_a_bundle_is_imported_and_reproduced(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    done = import_bundle(shards, STORED / "bundle.zip")
    assert (done.added, done.difficulties) == ((BUNDLED_RUN_ID,), 1)
    shard = only_shard(shards, BUNDLED_RUN_ID)
    assert shard.record.spec.run_id == BUNDLED_RUN_ID
    check_reproduced(shard)
