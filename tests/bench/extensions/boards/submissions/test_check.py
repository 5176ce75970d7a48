"""Honest submissions are accepted, and what was checked and noticed is reported."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from simulated_submissions import FACTS, Draft, honest_runs, oracle_of, simulated_run

from bench.context import RunContext
from bench.experiment.task import declared_task
from bench.extensions.boards.comparison import SubmissionReport, compare_with_others, reports
from bench.extensions.boards.precedence import FirstSeen, owners
from bench.extensions.boards.submissions.check import Checks, OwnChecks
from bench.extensions.boards.submissions.data_checks import DataChecks, DataVerdict, Level, listed_splits
from bench.extensions.boards.submissions.submission import SubmissionFacts
from bench.results.shards import Shard
from datasets_registry import DrawRule


@pytest.fixture(scope="module")
def checks() -> Checks:
    return Checks(None)


def dated(days: float) -> SubmissionFacts:
    return FACTS.model_copy(update={"submitted": datetime(2026, 1, 2, tzinfo=UTC) + timedelta(days=days)})


def checked(checks: Checks, folder: Path, *earlier: OwnChecks) -> SubmissionReport:
    return compare_with_others(checks.own(folder), earlier)


def test_an_honest_submission_is_accepted_and_says_what_was_checked(tmp_path: Path, checks: Checks) -> None:
    report = checked(checks, Draft().write(tmp_path / "submissions" / "lab"))
    assert report.refusals == ()
    assert report.accepted
    assert report.own.checked == (
        "scores follow from the predictions: 7 of 7 runs",
        f"{Level.DATA}: 7 of 7 runs",
        "published settings: 7 of 7 runs",
    )
    assert report.own.facts == FACTS
    assert OwnChecks.model_validate_json(report.own.model_dump_json()) == report.own


def test_an_oracle_beside_the_plain_run_is_accepted(tmp_path: Path, checks: Checks) -> None:
    plain, oracle = simulated_run(skill=1.0), oracle_of(skill=4.0)
    report = checked(checks, Draft([plain, oracle]).write(tmp_path / "s" / "lab"))
    assert report.refusals == ()


def test_settings_that_differ_are_named(tmp_path: Path, checks: Checks) -> None:
    run = simulated_run(config=simulated_run()[0].spec.config | {"n_ctx": 4})
    report = checked(checks, Draft([run]).write(tmp_path / "s" / "lab"))
    assert report.accepted
    assert report.own.settings == {"coop": ["n_ctx=4"]}
    assert "not the published settings: n_ctx=4 (coop)" in report.notes
    assert "published settings: 0 of 1 run" in report.own.checked


def test_a_support_list_that_the_board_lacks_is_reported(tmp_path: Path, checks: Checks) -> None:
    run = simulated_run(draw=DrawRule.FILE, support="a" * 32)
    report = checked(checks, Draft([run]).write(tmp_path / "s" / "lab"))
    assert report.accepted
    assert f"{Level.NOTHING}: 1 of 1 run" in report.own.checked
    assert any("data of 1 run not checked: This run needs the support list" in note for note in report.notes)


def test_runs_of_a_dataset_are_checked_by_its_split_file_alone(tmp_path: Path) -> None:
    """The data folder has a split file of EuroSAT and no image."""
    names = ("Forest", "Highway", "River")
    parts = {
        part: [[f"{name}/{part}{i}.jpg", label, name] for label, name in enumerate(names) for i in range(4)]
        for part in ("train", "val", "test")
    }
    (tmp_path / "split_zhou_EuroSAT.json").write_text(json.dumps(parts))
    data, context = DataChecks(tmp_path), RunContext(data_root=tmp_path)
    record, (item,) = simulated_run()
    spec = record.spec.model_copy(update={"dataset": "eurosat"})
    blank = declared_task(spec, context, listed_splits({}))
    stated = {sample.key: f"{n:064x}" for n, sample in enumerate(blank.support.samples)}
    task = declared_task(spec, context, listed_splits(stated))
    (split,) = task.evals
    labels = np.array([sample.label for sample in split.samples])
    item = replace(item, images=tuple(sample.key for sample in split.samples), label=labels)

    def verdict(digests: list[str]) -> DataVerdict:
        made = record.provenance.model_copy(update={"support_digests": digests})
        planned = spec.model_copy(update={"task_fingerprint": task.fingerprint})
        scores = [record.scores[0].model_copy(update={"n_classes": len(names)})]
        changed = record.model_copy(update={"spec": planned, "provenance": made, "scores": scores})
        return data.check(Shard(changed, (item,)))

    honest = list(stated.values())
    assert verdict(honest) == DataVerdict(Level.LISTS)
    (problem,) = verdict([*honest[1:], "0" * 64]).problems
    assert "its support images are not those of draw coop, seed 1" in problem
    (problem,) = verdict(honest[1:]).problems
    assert "its support images are not those of draw coop, seed 1" in problem
    item.label[0] = 2
    assert "true labels of 1 of 12 images are not those of the dataset" in verdict(honest).problems[0]


def test_the_unlabelled_images_of_a_run_are_those_of_its_pool() -> None:
    spec = simulated_run("ss_text_u", unlabelled="train:9")[0].spec
    task = declared_task(spec, RunContext())
    assert task.pool is not None
    record, predictions = simulated_run("ss_text_u", unlabelled="train:9", task_fingerprint=task.fingerprint)

    def problems(digest: str) -> tuple[str, ...]:
        made = record.provenance.model_copy(update={"unlabelled_digest": digest})
        return (
            DataChecks(None).check(Shard(record.model_copy(update={"provenance": made}), tuple(predictions))).problems
        )

    assert problems(task.pool.digest()) == ()
    assert problems("0" * 32) == ("the digest of its unlabelled images is not that of the declared pool",)


def test_a_later_submission_with_the_same_run_gives_way(tmp_path: Path, checks: Checks) -> None:
    """The history decides: dates and names say the opposite."""
    first = checks.own(Draft(facts=dated(100)).write(tmp_path / "s" / "first"))
    mine = [simulated_run(salt=1), simulated_run("tip_adapter", 2), simulated_run("clip_adapter")]
    second = checks.own(Draft(mine, dated(-20_000)).write(tmp_path / "s" / "a-second"))
    places = {(own.name, run.run_id): n for n, own in enumerate((first, second)) for run in own.runs}
    found = reports([second, first], FirstSeen(committed=places))
    assert [report.name for report in found] == ["first", "a-second"]
    assert found[1].accepted
    assert "2 of 3 runs are on the board already, which counts those that came first" in found[1].notes


def test_a_copy_with_an_early_date_takes_nothing(tmp_path: Path, checks: Checks) -> None:
    """The copy was there first with another run, and adds the runs of the honest lab later."""
    honest = checks.own(Draft().write(tmp_path / "s" / "honest"))
    own = simulated_run("clip_adapter")
    copy = checks.own(Draft([*honest_runs(), own], dated(-20_000)).write(tmp_path / "s" / "copy"))
    places = {("honest", run.run_id): 5 for run in honest.runs} | {("copy", run.run_id): 9 for run in copy.runs}
    seen = FirstSeen(committed=places | {("copy", own[0].run_id): 3})
    found = {report.name: report for report in reports([copy, honest], seen)}
    assert found["honest"].accepted
    assert found["honest"].notes == honest.notes
    assert found["copy"].accepted
    assert "7 of 8 runs are on the board already, which counts those that came first" in found["copy"].notes
    assert set(owners([honest, copy], seen).values()) == {"honest", "copy"}
    assert [run for run, name in owners([honest, copy], seen).items() if name == "copy"] == [own[0].run_id]
