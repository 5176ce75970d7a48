"""What a board compares with what the project knows: settings, weights, code, counts, copies, gains, costs, dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_runner import rescored
from simulated_submissions import FACTS, Draft, Run, from_logits, honest_runs, simulated_run, with_predictions

import bench
from bench.api import submit_runs
from bench.boards.comparison import SubmissionReport, compare_with_others
from bench.boards.submissions import check
from bench.boards.submissions.check import Checks, OwnChecks
from bench.boards.submissions.data_checks import DataChecks
from bench.boards.submissions.known_code import KNOWN_WEIGHTS
from bench.boards.submissions.submission import SubmissionFacts
from methods import load_backbone, parse_backbone

OTHER = "ViT-B-16.openai"
PUBLISHED = simulated_run()[0].spec


@pytest.fixture(scope="module")
def checks() -> Checks:
    return Checks(DataChecks(None))


Judge = Callable[..., SubmissionReport]


@pytest.fixture
def judge(tmp_path: Path, checks: Checks) -> Judge:
    def judge(
        *runs: Run, earlier: OwnChecks | None = None, facts: SubmissionFacts = FACTS, name: str = "lab"
    ) -> SubmissionReport:
        own = checks.own(Draft(list(runs), facts).write(tmp_path / "submissions" / name))
        return compare_with_others(own, () if earlier is None else (earlier,))

    return judge


def of_spec(run: Run, **changes: Any) -> Run:
    """The run with a changed spec, and the id that follows."""
    spec = run[0].spec.model_copy(update=changes)
    return run[0].model_copy(update={"spec": spec, "run_id": spec.run_id}), run[1]


def stated(run: Run, **changes: Any) -> Run:
    """The run with other provenance, which its id does not cover."""
    made = run[0].provenance.model_copy(update=changes)
    return run[0].model_copy(update={"provenance": made}), run[1]


def costing(run: Run, **changes: Any) -> Run:
    return run[0].model_copy(update={"cost": run[0].cost.model_copy(update=changes)}), run[1]


def made(run: Run, year: int) -> Run:
    return run[0].model_copy(update={"created_at": datetime(year, 6, 1, tzinfo=UTC)}), run[1]


def with_noise(run: Run, other: Run, noise: float) -> Run:
    """A run with the predictions of another method and noise on all logits."""
    (item,) = other[1]
    n_classes = other[0].scores[0].n_classes
    rng = np.random.default_rng(3)
    logits = np.full((len(item.images), n_classes), -8.0)
    np.put_along_axis(logits, item.top_labels, item.top_logits, axis=1)
    logits[np.arange(len(item.images)), item.label] = item.true_logit
    moved = logits + noise * rng.normal(size=logits.shape)
    return with_predictions(run, [from_logits(item.split, item.images, item.label, moved)])


def plain(run: Run) -> Run:
    return with_noise(run, run, 0.0)


def test_honest_submissions_have_no_remark(judge: Judge) -> None:
    report = judge(*honest_runs())
    assert (report.accepted, report.notes) == (True, ())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recipe": PUBLISHED.recipe | {"lr": 9.0}}, "not the published settings: recipe.lr=9.0 (coop)"),
        ({"recipe": {}}, "not the published settings: recipe without a name (coop)"),
        ({"recipe": None}, "not the published settings: recipe=None (coop)"),
        ({"recipe": {"name": "published"}}, "not the published settings: recipe.augment=None"),
        ({"config": {}}, "n_ctx is not stated"),
        ({"config": PUBLISHED.config | {"trick": 1}}, "trick=1, which is no setting of the method"),
        ({"class_text": "names:0123"}, "class texts names:0123"),
    ],
)
def test_published_settings_are_those_of_the_registry(judge: Judge, changes: dict[str, Any], said: str) -> None:
    report = judge(of_spec(simulated_run(), **changes))
    assert said in " | ".join(report.notes)
    assert "published settings: 0 of 1 run" in report.own.checked


def test_settings_of_an_unknown_method_are_not_called_published(judge: Judge) -> None:
    report = judge(of_spec(simulated_run(), method="our_method"))
    assert "published settings: 0 of 1 run" in report.own.checked
    assert "not installed here, so that their runs cannot be recomputed: our_method" in report.notes


def test_foreign_weights_of_a_known_backbone_are_refused(judge: Judge) -> None:
    report = judge(stated(simulated_run(), backbone_digest="0" * 32))
    assert "its backbone has the weights '000000000000', and ViT-demo.drawn has " in report.refusals[0]


def test_weights_that_are_not_known_are_said_and_compared_with_earlier_ones(judge: Judge) -> None:
    run = of_spec(simulated_run(), backbone=OTHER)
    first = judge(stated(run, backbone_digest="a" * 32), name="first")
    assert f"weights not known here, so not compared: {OTHER}" in first.notes
    other = of_spec(simulated_run(seed=2), backbone=OTHER)
    same = judge(stated(other, backbone_digest="a" * 32), earlier=first.own, name="same")
    assert not any("are not those of" in note for note in same.notes)
    foreign = judge(stated(other, backbone_digest="b" * 32), earlier=first.own)
    assert f"its weights of {OTHER} are not those of first" in foreign.notes
    assert foreign.accepted
    both = judge(stated(run, backbone_digest="a" * 32), stated(other, backbone_digest="b" * 32), name="both")
    assert f"its runs on {OTHER} state 2 different digests of its weights" in both.notes


def test_the_known_weights_are_those_of_the_package() -> None:
    for slug, digest in KNOWN_WEIGHTS.items():
        assert load_backbone(parse_backbone(slug)).digest == digest


def test_code_that_is_not_the_installed_code_is_remarked(judge: Judge) -> None:
    zeroed = judge(stated(simulated_run(), method_digest="0" * 64))
    assert (
        "a digest of the code of coop is stated, which cannot be compared: it is part of this package" in zeroed.notes
    )
    older = judge(stated(simulated_run(), method_version=99))
    assert any(note.startswith("coop was run in version 99; version ") for note in older.notes)
    assert older.accepted


def test_numbers_of_classes_are_those_of_the_data(judge: Judge) -> None:
    record, (item,) = simulated_run()
    more = record.scores[0].n_classes + 1
    changed = record.model_copy(update={"scores": [rescored(item, more)]})
    assert f"all: {more} classes are stated, and the data have {more - 1}" in judge((changed, [item])).refusals[0]


def test_classes_and_images_are_bounded_by_the_catalogue_without_data(judge: Judge) -> None:
    record, (item,) = of_spec(simulated_run(), dataset="eurosat")
    changed = record.model_copy(update={"scores": [rescored(item, 1000)]})
    assert "all: 1000 classes are stated, and eurosat has 10" in judge((changed, [item])).refusals[0]


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("MOST_ENTRIES", "its runs are of 3 methods with different settings"),
        ("MOST_ROWS", "its runs are of 3 rows of leaderboards"),
        ("LONGEST_SETTINGS", "characters; at most 2 are allowed"),
        ("LONGEST_FACT", "a text of its record has"),
    ],
)
def test_what_a_page_shows_is_bounded(judge: Judge, monkeypatch: pytest.MonkeyPatch, limit: str, said: str) -> None:
    monkeypatch.setattr(check, limit, 2)
    assert said in " ".join(judge(*honest_runs(seeds=1)).refusals)


def test_near_copies_of_another_method_are_remarked(judge: Judge) -> None:
    zero_shot = plain(simulated_run("zero_shot"))
    copy = with_noise(simulated_run(), zero_shot, 1e-4)
    report = judge(zero_shot, copy)
    assert report.accepted
    assert "coop: its predictions in 1 of 1 comparison are nearly those of zero_shot of this submission" in report.notes
    first = judge(zero_shot, plain(simulated_run()), name="first")
    stolen = with_noise(simulated_run("clip_adapter"), simulated_run(), 1e-4)
    report = judge(stolen, earlier=first.own)
    assert "clip_adapter: its predictions in 1 of 1 comparison are nearly those of coop of first" in report.notes
    assert report.accepted


def test_two_labs_that_run_one_spec_agree_without_a_remark(judge: Judge) -> None:
    first = judge(plain(simulated_run()), name="first")
    again = [with_noise(simulated_run(), simulated_run(), 1e-5), simulated_run(seed=2)]
    assert not any("nearly" in note for note in judge(*again, earlier=first.own).notes)


def test_a_training_free_method_that_ends_at_zero_shot_is_no_copy(judge: Judge) -> None:
    zero_shot = simulated_run("zero_shot")
    tip = with_predictions(simulated_run("tip_adapter"), zero_shot[1])
    assert not any("nearly" in note for note in judge(zero_shot, tip).notes)


def test_a_wrapper_may_leave_its_method_as_it_is(judge: Judge) -> None:
    coop = simulated_run()
    report = judge(coop, with_predictions(simulated_run("apex_on"), coop[1]))
    assert report.refusals == ()
    assert not any("nearly" in note for note in report.notes)


def test_implausible_gains_are_remarked(judge: Judge) -> None:
    all_right = judge(simulated_run(skill=60.0))
    assert any(
        "coop on spectrum_basic:test=5, all, 2 shots, 1 run: every test image is right" in n for n in all_right.notes
    )
    zero_shot = simulated_run("zero_shot")
    beside = judge(zero_shot, simulated_run(skill=60.0), name="beside")
    assert any("accuracy 100.0 where zero-shot has" in note for note in beside.notes)
    easy = judge(simulated_run("zero_shot", skill=60.0), simulated_run(skill=60.0, salt=1), name="easy")
    assert not any("shots, 1 run:" in note for note in easy.notes)
    assert all_right.accepted


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"eval_seconds": 0.0}, "implausible cost of 1 run: the evaluation took no time"),
        ({"train_seconds": 0.0, "steps": 0}, "implausible cost of 1 run: it was trained with no time and no steps"),
        ({"trainable_parameters": 0}, "implausible cost of 1 run: it was trained with no trainable parameters"),
    ],
)
def test_costs_of_nothing_are_remarked(judge: Judge, changes: dict[str, Any], said: str) -> None:
    report = judge(costing(simulated_run(), **changes))
    assert said in report.notes
    assert report.accepted


def test_implausible_dates_are_remarked(judge: Judge) -> None:
    notes = judge(made(simulated_run(), 1970), made(simulated_run(seed=2), 2199)).notes
    assert "1 run dated before this project existed" in notes
    assert "1 run dated in the future" in notes
    late = simulated_run()[0].model_copy(update={"created_at": FACTS.submitted + timedelta(days=9)})
    assert "1 run dated after the submission" in judge((late, simulated_run()[1]), name="late").notes
    old = FACTS.model_copy(update={"submitted": datetime(1970, 1, 1, tzinfo=UTC)})
    notes = judge(simulated_run(), facts=old, name="old").notes
    assert "it states 1970-01-01 as its time of submission, before this project existed" in notes


@pytest.mark.slow  # `test_honest_submissions_have_no_remark` checks simulated runs
def test_computed_runs_have_no_remark(tmp_path: Path) -> None:
    datasets, methods = "spectrum_colours:test=5,spectrum_words:test=5", "zero_shot,coop,clip_adapter,tip_adapter"
    options: dict[str, Any] = {"protocol": "few-shot", "shots": 2, "seeds": "1,2,3", "jobs": 0, "progress": "none"}
    bench.run(methods=methods, datasets=datasets, runs=tmp_path / "runs", recipe="demo", **options)
    done = submit_runs(tmp_path / "submissions" / "lab", who="A", contact="a@b.org", runs=tmp_path / "runs")
    assert done.runs == 20
    assert done.report.refusals == ()
    assert done.report.notes == ("not the published settings: recipe demo (clip_adapter, coop)",)
