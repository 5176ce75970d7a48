"""`etl-bench rescore`: which runs get an open score, that it is that of a new run, and that nothing else changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from fake_runner import answered, make_record, make_spec
from open_runs import open_run
from tiny_runs import BACKBONE, spec_of
from typer.testing import CliRunner

from bench.cli.app import app
from bench.context import RunContext
from bench.errors import VerificationError
from bench.experiment.model_file import model_path, write_model
from bench.experiment.runner import run_and_keep
from bench.record import RunError, RunStatus
from bench.results.bundles import export_bundle, import_bundle
from bench.results.open_scores import Route, plan_open_score, with_open_score
from bench.results.predictions import pack_predictions
from bench.results.shards import Shard, Shards
from datasets_registry import EvalProtocol


def rescore(runs: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["rescore", "--runs", str(runs), "-b", BACKBONE, *more])


@pytest.fixture(scope="module")
def new_runs() -> dict[str, tuple[Shard, bytes]]:
    """By method: a run with its open score, and its model file."""
    found = {}
    for method in ("zero_shot", "coop", "vpt"):
        record, predictions, model = run_and_keep(spec_of(method), RunContext())
        assert isinstance(model, bytes)
        found[method] = Shard(record, tuple(predictions)), model
    return found


@pytest.fixture
def runs(new_runs: dict[str, tuple[Shard, bytes]], tmp_path: Path) -> Path:
    """The same runs as an older release stored them; the model of CoOp was kept."""
    folder = tmp_path / "runs"
    for method, (shard, model) in new_runs.items():
        old = shard.record.model_copy(update={"open": None})
        Shards(folder).write(old, shard.predictions[:2])
        if method == "coop":
            write_model(model_path(folder, old.run_id), model)
    return folder


def check_equal_to_a_new_run(runs: Path, expected: Shard) -> None:
    stored = Shards(runs).read(expected.record.run_id)
    assert stored is not None
    assert stored.record == expected.record
    assert pack_predictions(stored.predictions) == pack_predictions(expected.predictions)


def test_models_and_methods_without_training_give_the_score_of_a_new_run(runs, new_runs) -> None:
    first = rescore(runs)
    assert first.exit_code == 1, first.output
    vpt = new_runs["vpt"][0].record
    assert f"{vpt.run_id} not added: {vpt.spec.label()}: its model was not kept; --train" in first.stdout
    assert "added, kept model: coop" in first.stdout
    assert "added, repeated: zero_shot" in first.stdout
    assert "2 added" in first.stderr
    for method in ("zero_shot", "coop"):
        check_equal_to_a_new_run(runs, new_runs[method][0])
    again = rescore(runs, "--train", "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout) == [
        {"run_id": vpt.run_id, "outcome": "added", "how": "trained again", "reason": ""}
    ]
    check_equal_to_a_new_run(runs, new_runs["vpt"][0])
    nothing = rescore(runs)
    assert nothing.exit_code == 0
    assert "No run lacks an open score." in nothing.stderr


def test_a_dry_run_changes_nothing(runs, new_runs) -> None:
    result = rescore(runs, "--train", "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    assert {row["outcome"] for row in json.loads(result.stdout)} == {"to do"}
    for shard, _ in new_runs.values():
        stored = Shards(runs).record(shard.record.run_id)
        assert stored is not None
        assert stored.open is None


def test_show_says_what_is_missing_and_then_shows_it(runs, new_runs) -> None:
    run = new_runs["zero_shot"][0].record.run_id
    assert (
        "open: not computed; `etl-bench rescore` adds it"
        in CliRunner().invoke(app, ["show", run, "--runs", str(runs)]).stdout
    )
    rescore(runs, run)
    shown = CliRunner().invoke(app, ["show", run, "--runs", str(runs)]).stdout
    assert "openworld auc" in shown
    assert "open-base" in shown


def test_why_a_run_gets_none(tmp_path: Path) -> None:
    record, _ = answered()
    error = RunError(kind="E", message="m", traceback="t")
    failed = make_record(make_spec(), status=RunStatus.FAILED, scores=[], cost=None, error=error)
    few_shot = make_record(make_spec(protocol=EvalProtocol.FEW_SHOT))
    model = tmp_path / "model"
    for one, reason in (
        (failed, "it failed; run its command again"),
        (few_shot, "few-shot has no open score, only base-to-new"),
        (open_run()[0], "it has an open score"),
        (record, "its model was not kept; --train repeats the training"),
    ):
        assert plan_open_score(one, model, train=False).reason == reason
    assert plan_open_score(record, model, train=True).route is Route.TRAINED_AGAIN
    model.touch()
    assert plan_open_score(record, model, train=False).route is Route.KEPT_MODEL


def test_a_run_whose_predictions_do_not_come_out_again_gets_none() -> None:
    record, predictions = open_run()
    base = predictions[0]
    old = Shard(record.model_copy(update={"open": None}), tuple(predictions[:2]))
    other = replace(base, predicted=(base.predicted + 1) % 4)
    with pytest.raises(VerificationError, match="gets no open score.*12 of 24 images.*--rerun stale"):
        with_open_score(old, record.open, [other, *predictions[1:]])
    assert with_open_score(old, record.open, predictions) == Shard(record, tuple(predictions))


def test_a_bundle_of_the_older_run_is_no_conflict(tmp_path: Path) -> None:
    record, predictions = open_run()
    old, new = Shards(tmp_path / "old"), Shards(tmp_path / "new")
    old.write(record.model_copy(update={"open": None}), predictions[:2])
    new.write(record, predictions)
    export_bundle(old, [record.run_id], tmp_path / "old.zip")
    assert import_bundle(new, tmp_path / "old.zip").unchanged == (record.run_id,)
    kept = new.record(record.run_id)
    assert kept is not None
    assert kept.open is not None
