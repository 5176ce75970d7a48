"""`etl-bench methods check`: a line a check, with the line of the author's code and the remedy where one fails."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from bench.extensions.conformance import CHECKS, CheckOutcome, Subject, check_method, run_check, run_checks
from datasets_registry import UnknownNameError
from methods import METHODS, drawn_from

TaskRes: Any = METHODS.get("task_res")
RANDOM = "random_numbers_come_from_its_generator"


@pytest.fixture
def climbing() -> Any:
    """A registered method with mistakes."""

    class Climbing(TaskRes):
        info = replace(TaskRes.info, name="climbing", citation="none")

        def loss(self, batch: Any) -> Any:
            return -super().loss(batch)

    yield METHODS.add("climbing", Climbing)
    METHODS.remove("climbing")


def test_a_healthy_method_passes_every_check(etl: Any) -> None:
    code, out, err = etl("methods", "check", "task_res")
    lines = out.splitlines()
    assert (code, err, len(CHECKS), len(lines)) == (0, "", 12, 13)
    assert lines[0].startswith("pass  it_runs: It prepares,")
    assert lines[-1] == "task_res: 12 of 12 passed or did not apply, 0 failed"


def test_from_python_every_check_is_a_row() -> None:
    found = pd.DataFrame(check_method("zero_shot"))
    assert list(found.columns) == ["check", "outcome", "promise", "message", "remedy"]
    assert list(found["check"]) == list(CHECKS)
    assert (set(found["outcome"]), set(found["remedy"])) == ({"pass", "skip"}, {""})
    with pytest.raises(UnknownNameError, match="Did you mean 'coop'"):
        check_method("copo")


def test_a_failure_says_what_is_wrong_and_what_to_do(etl: Any, climbing: Any) -> None:
    code, out, _ = etl("methods", "check", "climbing")
    assert code == 1
    assert "FAIL  facts_are_complete: the citation does not begin like a BibTeX entry: 'none'" in out
    assert "FAIL  images_belong_to_their_labels: cross-entropy changed by" in out
    assert "      to do: Keep rows, labels and class names in one order" in out
    code, out, _ = etl("methods", "check", "climbing", "--json")
    found = json.loads(out)
    assert (code, found["method"], found["passed"]) == (1, "climbing", False)
    assert {check["check"] for check in found["checks"]} == set(CHECKS)


def careless(
    in_loss: Callable[[Any], float] = lambda _: 1.0, in_classifier: Callable[[Any], Any] = lambda _: None
) -> Subject:
    """A method with mistakes that are made when a batch is given."""

    class Careless(TaskRes):
        info = replace(TaskRes.info, name="careless")

        def loss(self, batch: Any) -> Any:
            return super().loss(batch) * in_loss(batch)

        def classifier(self, classes: Any) -> Any:
            classify = super().classifier(classes)
            return lambda batch: classify(batch) + 0.0 * float(in_classifier(batch) is not None)

    return Subject(Careless)


def draws_from_torch(_: Any) -> float:
    return 1 + float(torch.rand(()))


def draws_from_numpy(_: Any) -> float:
    return 1 + float(np.random.rand())


def draws_without_a_seed(_: Any) -> float:
    return 1 + float(np.random.default_rng().random())


def draws_at_evaluation(_: Any) -> Any:
    return None if torch.is_grad_enabled() else torch.rand(())


def place_of(function: Any) -> str:
    return f"{Path(__file__)}:{inspect.getsourcelines(function)[1] + 1}"


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (draws_from_torch, f"rand ({place_of(draws_from_torch)}) drew from another generator"),
        (draws_from_numpy, "the global random state of torch or numpy was consumed or seeded"),
        (draws_without_a_seed, "logits of two runs with the same seed: they differ by up to "),
    ],
)
def test_a_draw_without_the_generator_is_the_only_finding(mistake: Any, message: str) -> None:
    *before, result = run_checks(careless(in_loss=mistake))
    assert [each.outcome for each in before] == [CheckOutcome.PASSED]
    assert (result.check, result.outcome) == (RANDOM, CheckOutcome.FAILED)
    assert result.message.startswith(message)


@pytest.mark.parametrize(("drawn", "outcome"), [(True, CheckOutcome.PASSED), (False, CheckOutcome.FAILED)])
def test_layers_of_torch_are_right_if_they_draw_from_the_generator(drawn: bool, outcome: CheckOutcome) -> None:
    class Layered(TaskRes):
        info = replace(TaskRes.info, name="layered")

        def prepare(self, support: Any) -> None:
            super().prepare(support)
            with drawn_from(self.generator) if drawn else nullcontext():
                self.frozen_layer = torch.nn.Linear(3, 2)

    assert run_check(CHECKS[RANDOM], Subject(Layered)).outcome is outcome


def test_a_draw_while_classifying_is_named_with_the_authors_line() -> None:
    result = run_check(CHECKS[RANDOM], careless(in_classifier=draws_at_evaluation))
    assert result.message == f"rand ({place_of(draws_at_evaluation)}) drew random numbers while classifying"


def test_labels_that_are_read_to_classify_are_named_by_the_authors_line() -> None:
    (result,) = run_checks(careless(in_classifier=reads_labels))
    assert result.message.startswith("UndeclaredNeedError: Batch.labels was read")
    assert result.message.endswith(f"({place_of(reads_labels)})")


def reads_labels(batch: Any) -> Any:
    return None if torch.is_grad_enabled() else batch.labels
