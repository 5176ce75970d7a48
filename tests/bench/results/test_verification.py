"""A repeated run is identical to the stored one, bit for bit, on the same machine; differences are reported."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_runner import answered, failed_record, make_predictions, make_record, make_spec, relabelled, rescored
from sweep_requests import sweep_over

from bench.context import RunContext
from bench.errors import UsageError
from bench.experiment.runner import run_experiment
from bench.record import GpuFacts
from bench.results.shards import Shard, Shards
from bench.results.verification import RepetitionOutcome as Outcome
from bench.results.verification import judge_repetition
from bench.sweep import expand


@pytest.fixture
def stored() -> Shard:
    record, predictions = answered()
    return Shard(record, tuple(predictions))


def test_a_repetition_is_identical_or_differs_by_rounding_or_in_its_answers(stored: Shard):
    base, new = stored.predictions
    shifted = replace(base, top_logits=base.top_logits + np.float32(2**-10))
    flipped = replace(base, predicted=np.where(np.arange(6) == 2, (base.predicted + 1) % 7, base.predicted))
    for repeated, outcome, compared, flips, largest in (
        ([base, new], Outcome.IDENTICAL, 15, 0, 0),
        ([shifted, new], Outcome.ROUNDING, 15, 0, 2**-10),
        ([flipped, new], Outcome.DIFFERENT, 15, 1, 0),
        ([base], Outcome.DIFFERENT, 6, 0, 0),
        ([base, new, make_predictions("all")], Outcome.DIFFERENT, 15, 0, 0),
    ):
        found = judge_repetition(stored, stored.record, repeated)
        assert (found.outcome, found.compared, found.flips) == (outcome, compared, flips)
        assert found.largest_logit_difference == pytest.approx(largest, rel=1e-3)
        assert (found.causes, found.faults) == ({}, ())


def test_causes_are_facts_that_differ(stored: Shard):
    made = stored.record.provenance
    for now, causes in (
        ({"python": "4", "method_digest": "other"}, {"method_digest": ("m", "other"), "python": ("3", "4")}),
        ({"packages": {"torch": "9"}, "method_digest": None}, {"torch": (None, "9")}),
    ):
        again = stored.record.model_copy(update={"provenance": made.model_copy(update=now)})
        assert judge_repetition(stored, again, stored.predictions).causes == causes


def test_other_true_labels_images_and_sums_have_a_verdict_of_their_own(stored: Shard):
    base, new = stored.predictions
    swapped = replace(base, images=(*base.images[1:], base.images[0]))
    summed = replace(base, log_sum_exp=base.log_sum_exp + 3)
    for forged, said in (
        (relabelled(base), r"base: the true labels of \d of 6 images are not those of the data"),
        (swapped, "base: its test images are not those of the data"),
        (summed, r"base: log-sums are impossible for the top logits \(6 of 6 images\)"),
    ):
        scores = [rescored(forged, 7), stored.record.scores[1]]
        record = stored.record.model_copy(update={"scores": scores})
        found = judge_repetition(Shard(record, (forged, new)), stored.record, stored.predictions)
        assert found.outcome is Outcome.INVALID
        assert re.search(said, " ".join(found.faults)), found.faults


def test_an_edited_score_is_invalid_and_another_one_not_identical(stored: Shard):
    scores = [stored.record.scores[0].model_copy(update={"nll": 0.99}), stored.record.scores[1]]
    edited = stored.record.model_copy(update={"scores": scores})
    assert judge_repetition(stored, edited, stored.predictions).outcome is Outcome.ROUNDING
    forged = Shard(edited, stored.predictions)
    assert judge_repetition(forged, stored.record, stored.predictions).outcome is Outcome.INVALID


def test_what_has_nothing_to_compare_is_refused(stored: Shard):
    failed = failed_record(make_spec(), ValueError("boom"))
    with pytest.raises(UsageError, match="it has no predictions"):
        judge_repetition(Shard(failed, ()), failed, [])
    with pytest.raises(UsageError, match="have different specs"):
        judge_repetition(stored, make_record(make_spec(seed=2)), stored.predictions)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real runs, made with a cache."""
    folder = tmp_path_factory.mktemp("verify")
    axes = sweep_over(
        ["zero_shot", "coop"], ["spectrum_basic"], ["ViT-tiny.random"], shots=(2,), seeds=(1,),
        overrides=["coop.recipe.epochs=1"],
    )  # fmt: skip
    for spec in expand(axes).specs:
        record, predictions = run_experiment(spec, RunContext(cache_dir=folder / "cache"))
        Shards(folder / "runs").write(record, predictions)
    return folder / "runs"


def test_real_runs_are_identical_without_the_cache(runs: Path, etl):
    ids = list(Shards(runs).scan())
    code, out, _ = etl("runs", "verify", *ids, "--runs", str(runs), "--json")
    assert code == 0
    found = json.loads(out)
    assert [one["run_id"] for one in found] == ids
    assert {one["outcome"] for one in found} == {"identical"}


def test_a_forged_answer_is_found(runs: Path, tmp_path: Path, etl):
    """Invented predictions with matching checksums and scores are not reproduced."""
    shards = Shards(runs)
    one = shards.read(next(iter(shards.scan())))
    forged = [replace(item, predicted=item.label) for item in one.predictions]
    Shards(tmp_path).write(one.record, forged)
    code, out, _ = etl("runs", "verify", one.record.run_id[:6], "--runs", str(tmp_path))
    assert code == 1
    assert "invalid" in out


def test_threads_that_contradict_the_environment_are_refused_and_those_of_the_run_are_named(
    runs: Path, etl, monkeypatch
):
    name = next(iter(Shards(runs).scan()))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    code, _, err = etl("runs", "verify", name, "--runs", str(runs), "--threads", "2")
    assert code == 2
    assert "--threads 2 contradicts OMP_NUM_THREADS=3" in " ".join(err.split())
    code, _, err = etl("runs", "verify", name, "--runs", str(runs))
    assert code == 0
    assert f"{name}: uses the run's 1 threads" in err


def test_a_run_from_another_device_is_repeated_here_and_rounding_has_a_code_of_its_own(
    runs: Path, tmp_path: Path, etl, monkeypatch: pytest.MonkeyPatch
):
    one = Shards(runs).read(next(iter(Shards(runs).scan())))
    gpu = GpuFacts(name="NVIDIA H100", tf32=False, deterministic=True)
    made = one.record.provenance.model_copy(update={"device": "cuda:0", "gpu": gpu})
    Shards(tmp_path).write(one.record.model_copy(update={"provenance": made}), one.predictions)
    code, out, err = etl("runs", "verify", one.record.run_id, "--runs", str(tmp_path))
    assert (code, "identical" in out) == (0, True)
    assert "NVIDIA H100 and repeated on cpu" in " ".join(err.split())
    shaken = [replace(item, top_logits=item.top_logits + np.float32(1e-6)) for item in one.predictions]
    judged = judge_repetition

    def rounded(stored: Shard, record: object, _: object) -> object:
        return replace(judged(stored, record, shaken), outcome=Outcome.ROUNDING)

    monkeypatch.setattr("bench.results.judge_repetition", rounded)
    assert etl("runs", "verify", one.record.run_id, "--runs", str(tmp_path))[0] == 4
    assert etl("runs", "verify", one.record.run_id, "--runs", str(runs))[0] == 1
