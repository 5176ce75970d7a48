"""What a board compares with what the project knows: settings, counts, labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_runner import rescored
from hostile_submissions import all_right
from simulated_submissions import Draft, Run, honest_runs, simulated_run

import bench
from bench.extensions.boards import submit_runs
from bench.extensions.boards.comparison import SubmissionReport, compare_with_others
from bench.extensions.boards.submissions import check
from bench.extensions.boards.submissions.check import Checks, OwnChecks

PUBLISHED = simulated_run()[0].spec


@pytest.fixture(scope="module")
def checks() -> Checks:
    return Checks(None)


Judge = Callable[..., SubmissionReport]


@pytest.fixture
def judge(tmp_path: Path, checks: Checks) -> Judge:
    def judge(*runs: Run, earlier: OwnChecks | None = None, name: str = "lab") -> SubmissionReport:
        own = checks.own(Draft(list(runs)).write(tmp_path / "submissions" / name))
        return compare_with_others(own, () if earlier is None else (earlier,))

    return judge


def of_spec(run: Run, **changes: Any) -> Run:
    """The run with a changed spec, and the id that follows."""
    spec = run[0].spec.model_copy(update=changes)
    return run[0].model_copy(update={"spec": spec, "run_id": spec.run_id}), run[1]


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


def test_numbers_of_classes_are_those_of_the_data(judge: Judge) -> None:
    record, (item,) = simulated_run()
    more = record.scores[0].n_classes + 1
    changed = record.model_copy(update={"scores": [rescored(item, more)]})
    assert f"the data have {more - 1}" in judge((changed, [item])).refusals[0]


def test_classes_and_images_are_bounded_by_the_catalogue_without_data(judge: Judge) -> None:
    record, (item,) = of_spec(simulated_run(), dataset="eurosat")
    changed = record.model_copy(update={"scores": [rescored(item, 1000)]})
    assert "all: 1000 classes are stated, and eurosat has 10" in judge((changed, [item])).refusals[0]


def test_true_labels_are_those_of_earlier_runs_of_the_task_without_data(judge: Judge) -> None:
    mine, theirs = (of_spec(simulated_run(method), dataset="dtd") for method in ("coop", "clip_adapter"))
    first = judge(mine, name="first")
    assert judge(theirs, earlier=first.own, name="honest").accepted
    report = judge(all_right(theirs), earlier=first.own)
    assert f"all: its test images or true labels are not those of run {mine[0].run_id} of first" in report.refusals[0]


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


@pytest.mark.slow  # `test_honest_submissions_have_no_remark` checks simulated runs
def test_computed_runs_have_no_remark(tmp_path: Path) -> None:
    datasets, methods = "spectrum_colours:test=5,spectrum_words:test=5", "zero_shot,coop,clip_adapter,tip_adapter"
    options: dict[str, Any] = {"protocol": "few-shot", "shots": 2, "seeds": "1,2,3", "jobs": 0, "progress": "none"}
    bench.run(methods=methods, datasets=datasets, runs=tmp_path / "runs", recipe="demo", **options)
    done = submit_runs(tmp_path / "submissions" / "lab", who="A", contact="a@b.org", runs=tmp_path / "runs")
    assert done.runs == 20
    assert done.report.refusals == ()
    assert done.report.notes == ("not the published settings: recipe demo (clip_adapter, coop)",)
