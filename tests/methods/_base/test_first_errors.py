"""An author's first mistakes are named with the line of the author's code."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from bench.errors import NonFiniteLossError
from bench.extensions.conformance import CHECKS, run_check
from bench.extensions.conformance.subject import BATCH, TASK, Subject
from methods import METHODS, MethodError

TaskRes: Any = METHODS.get("task_res")


class Turned(TaskRes):
    """Its classifier returns a row per class."""

    info = replace(TaskRes.info, name="turned")

    def classifier(self, classes: Any) -> Any:
        inner = super().classifier(classes)
        return lambda batch: inner(batch).T


class Whole(TaskRes):
    """Its classifier returns whole numbers."""

    info = replace(TaskRes.info, name="whole")

    def classifier(self, classes: Any) -> Any:
        inner = super().classifier(classes)
        return lambda batch: inner(batch).long()


class Detached(TaskRes):
    """Its loss depends on no learned tensor."""

    info = replace(TaskRes.info, name="detached")

    def loss(self, batch: Any) -> Tensor:
        return super().loss(batch).detach()


class Undefined(TaskRes):
    """Its loss is no number."""

    info = replace(TaskRes.info, name="undefined")

    def loss(self, batch: Any) -> Tensor:
        return super().loss(batch) * float("nan")


class Silent(TaskRes):
    """Its classifier returns nothing."""

    info = replace(TaskRes.info, name="silent")

    def classifier(self, classes: Any) -> Any:
        super().classifier(classes)


def without_result(_: Any) -> None:
    """What a classifier with a forgotten `return` is."""


class Empty(TaskRes):
    """Its classifier is a function that returns nothing."""

    info = replace(TaskRes.info, name="empty")

    def classifier(self, classes: Any) -> Any:
        return without_result


class Elsewhere(TaskRes):
    """Its learned tensors are not in `trainable`."""

    info = replace(TaskRes.info, name="elsewhere")

    def prepare(self, support: Any) -> None:
        super().prepare(support)
        self.learned = self.trainable
        del self.trainable


class Listed(TaskRes):
    """Its `trainable` is a dict."""

    info = replace(TaskRes.info, name="listed")

    def prepare(self, support: Any) -> None:
        super().prepare(support)
        self.trainable = dict(self.trainable.named_parameters())


class Unprepared(TaskRes):
    """It does not call the base class."""

    info = replace(TaskRes.info, name="unprepared")

    def prepare(self, support: Any) -> None:
        pass


def first_step(method: Any) -> None:
    subject = Subject(method)
    subject.fitted(subject.prepared())


def line_of(function: Any) -> str:
    return f"{Path(__file__).name}:{inspect.getsourcelines(function)[1]}"


def test_a_classifier_of_another_shape() -> None:
    images, classes = BATCH, len(TASK.classes)
    with pytest.raises(MethodError) as caught:
        first_step(Turned)
    said = str(caught.value)
    assert f"the classifier of {line_of(Turned.classifier)} returned ({classes}, {images})" in said
    assert f"for {images} images of {classes} classes" in said


def test_a_classifier_of_whole_numbers() -> None:
    for step in (first_step, lambda found: Subject(found).evaluation_logits(Subject(found).prepared())):
        with pytest.raises(MethodError, match="int64") as caught:
            step(Whole)
        assert Path(__file__).name in str(caught.value)


@pytest.mark.parametrize(("method", "function"), [(Silent, Silent.classifier), (Empty, without_result)])
def test_a_function_that_returns_nothing(method: Any, function: Any) -> None:
    for step in (first_step, lambda found: Subject(found).evaluation_logits(Subject(found).prepared())):
        with pytest.raises(MethodError, match="returned None") as caught:
            step(method)
        assert line_of(function) in str(caught.value)
    result = run_check(CHECKS["it_runs"], Subject(method))
    assert line_of(function) in result.message


@pytest.mark.parametrize("method", [Elsewhere, Listed, Unprepared])
def test_a_prepare_that_leaves_something_out(method: Any) -> None:
    with pytest.raises(MethodError) as caught:
        Subject(method).prepared()
    assert line_of(method.prepare) in str(caught.value)


def test_a_loss_that_no_learned_tensor_reaches() -> None:
    with pytest.raises(MethodError, match="no tensor of `trainable`") as caught:
        first_step(Detached)
    assert line_of(Detached.loss) in str(caught.value)


def test_a_loss_that_is_no_number_before_the_first_step() -> None:
    with pytest.raises(NonFiniteLossError, match="before the first step"):
        first_step(Undefined)
