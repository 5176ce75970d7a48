"""Honest submissions are accepted, hostile ones refused, and what was checked and noticed is reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_runner import rescored
from hostile_submissions import HOSTILE, all_right, stating
from simulated_submissions import FACTS, Draft, Run, honest_runs, oracle_of, simulated_run

import bench
from bench.context import RunContext
from bench.experiment.task import declared_task
from bench.extensions.boards import check, submit_runs
from bench.extensions.boards.check import KNOWN_WEIGHTS, Checks, SubmissionReport
from bench.extensions.boards.data_checks import DataChecks, DataVerdict, Level, listed_splits
from bench.results.shards import Shard, Shards
from methods import load_backbone, parse_backbone

PUBLISHED = simulated_run()[0].spec
Judge = Callable[..., SubmissionReport]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Checks a submission of some runs after those that it was given before."""
    checks = Checks(tmp_path / "runs", None)

    def judge(*runs: Run, name: str = "lab") -> SubmissionReport:
        return checks.add(Draft(list(runs)).write(tmp_path / "submissions" / name))

    return judge


def of_spec(run: Run, **changes: Any) -> Run:
    """The run with a changed spec, and the id that follows."""
    spec = run[0].spec.model_copy(update=changes)
    return run[0].model_copy(update={"spec": spec, "run_id": spec.run_id}), run[1]


def of_a_thousand_classes(run: Run) -> Run:
    return run[0].model_copy(update={"scores": [rescored(run[1][0], 1000)]}), run[1]


def test_an_honest_submission_is_accepted_and_says_what_was_checked(judge: Judge) -> None:
    report = judge(*honest_runs())
    assert (report.accepted, report.refusals, report.notes) == (True, (), [])
    assert report.checked == [
        "scores follow from the predictions: 7 of 7 runs",
        f"{Level.DATA}: 7 of 7 runs",
        "published settings: 7 of 7 runs",
    ]
    assert (report.facts, len(report.added)) == (FACTS, 7)


def test_a_run_of_two_submissions_is_that_of_the_first(judge: Judge, tmp_path: Path) -> None:
    judge(*honest_runs(), name="first")
    second = judge(simulated_run(salt=1), simulated_run("tip_adapter", 2), simulated_run("clip_adapter"), name="second")
    assert second.accepted
    assert second.added == (simulated_run("clip_adapter")[0].run_id,)
    assert Shards(tmp_path / "runs").record(simulated_run()[0].run_id) == simulated_run()[0]


def test_an_oracle_beside_the_plain_run_is_accepted(judge: Judge) -> None:
    assert judge(simulated_run(skill=1.0), oracle_of(skill=4.0)).refusals == ()


def test_a_support_list_that_the_board_lacks_is_reported(judge: Judge) -> None:
    report = judge(simulated_run(draw="file", support="a" * 32))
    assert report.accepted
    assert f"{Level.NOTHING}: 1 of 1 run" in report.checked
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
        made, _ = stating((record, [item]), support_digests=digests)
        planned = spec.model_copy(update={"task_fingerprint": task.fingerprint})
        scores = [record.scores[0].model_copy(update={"n_classes": len(names)})]
        return data.check(Shard(made.model_copy(update={"spec": planned, "scores": scores}), (item,)))

    honest = list(stated.values())
    assert verdict(honest) == DataVerdict(Level.LISTS)
    for wrong in ([*honest[1:], "0" * 64], honest[1:]):
        (problem,) = verdict(wrong).problems
        assert "its support images are not those of draw coop, seed 1" in problem
    item.label[0] = 2
    assert "true labels of 1 of 12 images are not those of the dataset" in verdict(honest).problems[0]


def test_the_unlabelled_images_of_a_run_are_those_of_its_pool() -> None:
    spec = simulated_run("ss_text_u", unlabelled="train:9")[0].spec
    task = declared_task(spec, RunContext())
    record, predictions = simulated_run("ss_text_u", unlabelled="train:9", task_fingerprint=task.fingerprint)

    def problems(digest: str) -> tuple[str, ...]:
        made, items = stating((record, predictions), unlabelled_digest=digest)
        return DataChecks(None).check(Shard(made, tuple(items))).problems

    assert problems(task.pool.digest()) == ()
    assert problems("0" * 32) == ("the digest of its unlabelled images is not that of the declared pool",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config": PUBLISHED.config | {"n_ctx": 4}}, "not the published settings: n_ctx=4 (coop)"),
        ({"recipe": PUBLISHED.recipe | {"lr": 9.0}}, "not the published settings: recipe.lr=9.0 (coop)"),
        ({"recipe": {}}, "not the published settings: recipe without a name (coop)"),
        ({"recipe": None}, "not the published settings: recipe=None (coop)"),
        ({"recipe": {"name": "published"}}, "not the published settings: recipe.augment=None"),
        ({"config": {}}, "n_ctx is not stated"),
        ({"config": PUBLISHED.config | {"trick": 1}}, "trick=1, which is no setting of the method"),
        ({"class_text": "names:0123"}, "class texts names:0123"),
        ({"method": "our_method"}, "not installed here, so that their runs cannot be recomputed: our_method"),
    ],
)
def test_published_settings_are_those_of_the_registry(judge: Judge, changes: dict[str, Any], said: str) -> None:
    report = judge(of_spec(simulated_run(), **changes))
    assert report.accepted
    assert said in " | ".join(report.notes)
    assert "published settings: 0 of 1 run" in report.checked


def test_classes_are_bounded_by_the_catalogue_without_data(judge: Judge) -> None:
    refused = judge(of_a_thousand_classes(of_spec(simulated_run(), dataset="eurosat")))
    assert "all: 1000 classes are stated, and eurosat has 10" in refused.refusals[0]


def test_true_labels_are_those_of_earlier_runs_of_the_task_without_data(judge: Judge) -> None:
    mine, theirs = (of_spec(simulated_run(method), dataset="dtd") for method in ("coop", "clip_adapter"))
    assert judge(mine, name="first").accepted
    refused = judge(all_right(theirs), name="forged")
    assert f"run {mine[0].run_id} on the same data" in refused.refusals[0]
    assert judge(theirs, name="honest").accepted, "a refused submission says nothing about labels"


def test_a_refused_submission_says_nothing_about_labels(judge: Judge) -> None:
    """Its first run contradicts nothing that is known so far, the other has classes that the dataset lacks."""
    runs = [of_spec(simulated_run(method), dataset="dtd") for method in ("coop", "clip_adapter")]
    first, last = sorted(runs, key=lambda run: run[0].run_id)
    assert not judge(all_right(first), of_a_thousand_classes(last), name="forged").accepted
    assert judge(of_spec(simulated_run("tip_adapter"), dataset="dtd"), name="honest").accepted


def test_weights_are_those_of_earlier_runs_on_the_backbone(judge: Judge) -> None:
    mine, theirs = (of_spec(simulated_run(method), backbone="ViT-B-16.openai") for method in ("coop", "clip_adapter"))
    assert judge(mine, name="first").accepted
    refused = judge(stating(theirs, backbone_digest="0" * 32), name="other")
    assert "its weights of ViT-B-16.openai have the digest 000000000000" in refused.refusals[0]


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("MOST_ROWS", "the runs are of more than 2 rows of leaderboards"),
        ("LONGEST_RECORD", "characters; at most 2 are allowed"),
    ],
)
def test_what_a_page_shows_is_bounded(judge: Judge, monkeypatch: pytest.MonkeyPatch, limit: str, said: str) -> None:
    monkeypatch.setattr(check, limit, 2)
    assert said in " ".join(judge(*honest_runs(seeds=1)).refusals)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_submission_is_refused_for_its_reason(tmp_path: Path, what: str) -> None:
    hostile = HOSTILE[what]
    folder = tmp_path / "submissions" / "lab"
    hostile.write(folder)
    before = sorted(tmp_path.rglob("*"))
    report = Checks(tmp_path / "runs", None).add(folder.with_name(hostile.name))
    assert not report.accepted
    assert hostile.said in " | ".join(report.refusals)
    assert all(text.isprintable() and len(text) < 1500 and "<script" not in text for text in report.refusals)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_known_weights_are_those_of_the_included_backbone() -> None:
    ((slug, digest),) = KNOWN_WEIGHTS.items()
    assert load_backbone(parse_backbone(slug)).digest == digest


@pytest.mark.slow  # `test_honest_submissions_have_no_remark` checks simulated runs
def test_computed_runs_have_no_remark(tmp_path: Path) -> None:
    datasets, methods = "spectrum_colours:test=5,spectrum_words:test=5", "zero_shot,coop,clip_adapter,tip_adapter"
    options: dict[str, Any] = {"protocol": "few-shot", "shots": 2, "seeds": "1,2,3", "jobs": 0, "progress": "none"}
    bench.run(methods=methods, datasets=datasets, runs=tmp_path / "runs", recipe="demo", **options)
    bundle, report = submit_runs(tmp_path / "submissions" / "lab", who="A", contact="a@b.org", runs=tmp_path / "runs")
    assert bundle.runs == 20
    assert report.refusals == ()
    assert report.notes == ["not the published settings: recipe demo (clip_adapter, coop)"]
