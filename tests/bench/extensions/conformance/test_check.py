"""`etl-bench methods check`: a line a check, with the remedy where one fails; the trial's verdict."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import careless_method
import numpy as np
import pytest
from mutants import KeepsTestBatches

from bench.context import RunContext
from bench.extensions.conformance import CHECKS, CheckOutcome, Subject, run_check, run_checks
from bench.extensions.conformance.check import describe_error
from bench.extensions.conformance.random_draws import RandomDraws
from bench.extensions.conformance.short_trial import DATASETS, TrialRow, TrialTimeoutError, trial, verdict
from methods import METHODS

TaskRes: Any = METHODS.get("task_res")


@pytest.fixture
def climbing() -> Any:
    """A registered method with a mistake."""

    class Climbing(TaskRes):
        info = replace(TaskRes.info, name="climbing", citation="none")

        def loss(self, batch: Any) -> Any:
            return -super().loss(batch)

    yield METHODS.add("climbing", Climbing)
    METHODS.remove("climbing")


def row(accuracy: float, zero_shot: float = 0.5, classes: str = "base", dataset: str = "spectrum_basic") -> TrialRow:
    return TrialRow(dataset, classes, accuracy, zero_shot, chance=0.1)


def test_a_healthy_method_passes_every_check(etl: Any) -> None:
    code, out, err = etl("methods", "check", "task_res", "--no-trial")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == len(CHECKS) + 1
    assert lines[0].startswith("pass  it_runs: It prepares,")
    assert lines[-1] == f"task_res: {len(CHECKS)} of {len(CHECKS)} passed or did not apply, 0 failed"


def test_a_failure_says_what_is_wrong_and_what_to_do(etl: Any, climbing: Any) -> None:
    code, out, _ = etl("methods", "check", "climbing", "--no-trial")
    assert code == 1
    assert "FAIL  citation_parses: it does not begin like one: 'none'" in out
    assert "FAIL  classes_are_not_mixed_up: cross-entropy changed by" in out
    assert "      to do: Keep rows, labels and class names in one order" in out
    code, out, _ = etl("methods", "check", "climbing", "--no-trial", "--json")
    found = json.loads(out)
    assert (code, found["method"], found["passed"]) == (1, "climbing", False)
    assert {check["check"] for check in found["checks"]} == set(CHECKS)


def test_an_error_of_the_harness_names_no_line_of_the_standard_library() -> None:
    class Empty:
        @cached_property
        def value(self) -> Any:
            return self.missing  # type: ignore[attr-defined]

    with pytest.raises(AttributeError) as caught:
        _ = Empty().value
    assert "AttributeError: 'Empty' object" in describe_error(caught.value)


def test_an_unknown_method_is_refused_with_near_misses(etl: Any) -> None:
    code, out, err = etl("methods", "check", "task_rse")
    assert (code, out) == (2, "")
    assert err.startswith("error: Unknown method 'task_rse'.")


def test_the_trial_is_a_line_with_its_numbers(etl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "bench.extensions.conformance.short_trial.trial",
        lambda info, context: iter([row(0.8), row(0.4, classes="new")]),
    )
    code, out, _ = etl("methods", "check", "task_res")
    assert code == 0
    assert "within 120 seconds, beside zero-shot." in out
    assert "80.0 (zero-shot 50.0); spectrum_basic new 40.0 (zero-shot 50.0)]" in out


@pytest.mark.parametrize(
    ("error", "text"), [(TrialTimeoutError("1 of 3 datasets were done"), "1 of 3"), (KeyError("x"), "KeyError: 'x'")]
)
def test_a_trial_that_stops_is_a_failure(
    etl: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, text: str
) -> None:
    def stopped(*_: Any) -> Any:
        raise error

    monkeypatch.setattr("bench.extensions.conformance.short_trial.trial", stopped)
    code, out, _ = etl("methods", "check", "task_res")
    assert code == 1
    assert f"FAIL  trial: {text}" in out
    assert "`etl-bench run -m task_res,zero_shot" in out


def test_the_verdict_asks_for_more_than_guessing_and_not_much_less_than_zero_shot() -> None:
    assert verdict([row(0.6), row(0.0, classes="new")]) is None
    assert verdict([row(0.46), row(0.2)]) is None, "one dataset is enough"
    assert "no better than chance" in verdict([row(0.1)])
    assert "7 points or more below" in verdict([row(0.4), row(0.43, dataset="spectrum_blur")])


def test_the_trial_runs_zero_shot_beside_the_method_in_the_protocol_that_it_can() -> None:
    from bench.experiment.runner import run_experiment

    asked = []

    def remember(spec: Any) -> Any:
        asked.append((spec.method, spec.dataset, str(spec.protocol)))
        small = spec.model_copy(update={"backbone": "ViT-tiny.random"})
        return run_experiment(small, RunContext())[0]

    zero_shot = METHODS.get("zero_shot").info
    rows = list(trial(zero_shot, RunContext(), run=remember))
    assert asked == [("zero_shot", name, "base-to-new") for name in DATASETS]
    assert [(found.dataset, found.classes) for found in rows[:2]] == [(DATASETS[0], "base"), (DATASETS[0], "new")]
    with pytest.raises(TrialTimeoutError, match="0 of 3 datasets were done"):
        list(trial(TaskRes.info, RunContext(), limit=-1, run=remember))


def place_of(text: str) -> str:
    """File and line of the only line with that text in the careless method."""
    (line,) = [i for i, line in enumerate(Path(careless_method.FILE).read_text().splitlines(), 1) if text in line]
    return f"{careless_method.FILE}:{line}"


@pytest.mark.parametrize(
    ("draw", "function", "line"),
    [
        ("torch", "rand", "torch.rand(())"),
        ("numpy", "np.random.rand", "np.random.rand()"),
        ("numpy without a seed", "a generator without a seed", "default_rng()"),
        ("random", "random.random", "random.random("),
    ],
)
@pytest.mark.parametrize("check", ["random_numbers_come_from_its_generator", "evaluation_is_deterministic"])
def test_a_draw_without_the_generator_is_named_with_the_authors_line(
    check: str, draw: str, function: str, line: str
) -> None:
    result = run_check(CHECKS[check], Subject(careless_method.careless(draw)))
    assert result.outcome is CheckOutcome.FAILED
    assert result.message.startswith(f"{function} ({place_of(line)}) drew ")


def test_a_closure_that_keeps_every_test_batch_is_found() -> None:
    subject = Subject(KeepsTestBatches)
    found = {one.check.name: one.message for one in run_checks(subject) if one.outcome is CheckOutcome.FAILED}
    assert list(found) == ["no_test_batch_is_kept"]
    assert found["no_test_batch_is_kept"].startswith("two more batches left ")


def test_unseeded_random_numbers_are_one_finding_before_what_follows() -> None:
    results = {result.check.name: result for result in run_checks(Subject(careless_method.careless("torch")))}
    cause = "random_numbers_come_from_its_generator"
    assert [name for name, result in results.items() if result.outcome is CheckOutcome.FAILED] == [cause]
    assert list(results)[:2] == ["it_runs", cause]
    following = {name for name, result in results.items() if result.message.startswith(f"first correct {cause}: ")}
    assert following >= {"evaluation_is_deterministic", "the_same_seed_gives_the_same_logits", "runs_are_independent"}


def test_a_seeded_generator_of_python_or_numpy_is_no_finding() -> None:
    with RandomDraws(None, __file__).watching() as draws:
        random.Random(3).random()
        np.random.default_rng(3).random()
    assert draws.foreign == {}
    assert "wrapped" not in repr(np.random.rand)


def test_labels_that_are_read_to_classify_are_named_by_the_authors_line() -> None:
    (result,) = run_checks(Subject(careless_method.careless(reads_labels=True)))
    assert result.message.startswith("UndeclaredNeedError: Batch.labels was read")
    assert result.message.endswith(f"({place_of('batch.labels')})")
