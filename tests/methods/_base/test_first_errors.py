"""An author's first mistakes are named with the line of the author's code."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from bench.errors import NonFiniteLossError
from bench.extensions.conformance.subject import BATCH, TASK, Subject
from methods import METHODS, MethodError

TaskRes: Any = METHODS.get("task_res")


class Turned(TaskRes):
    """Its classifier returns a row per class."""

    info = replace(TaskRes.info, name="turned")

    def classifier(self, classes: Any) -> Any:
        inner = super().classifier(classes)
        return lambda batch: inner(batch).T


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


def test_a_loss_that_no_learned_tensor_reaches() -> None:
    with pytest.raises(MethodError, match="no tensor of `trainable`") as caught:
        first_step(Detached)
    assert line_of(Detached.loss) in str(caught.value)


def test_a_loss_that_is_no_number_before_the_first_step() -> None:
    with pytest.raises(NonFiniteLossError, match="before the first step"):
        first_step(Undefined)
