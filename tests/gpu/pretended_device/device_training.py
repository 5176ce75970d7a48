"""A short training of one method on another device, whose logits are compared with those on the CPU."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bench.experiment import TrainingState, train_step
from bench.extensions.conformance.subject import OTHER_CLASSES, TASK, Subject, tiny_backbone
from methods import Backbone, Method, MethodConfig, Precision, SupportImagesError, TrainableMethod, home_of

AFTER = " after "
VALIDATION = replace(TASK, seed=TASK.seed + 5)


class DeviceSubject(Subject):
    """A method whose backbone and inputs are on a device."""

    def __init__(
        self, method: type[Method[Any]], config: MethodConfig | None, device: str, precision: Precision = Precision.FP32
    ) -> None:
        loaded = shared_backbone()
        model = copy.deepcopy(loaded.model).to(device)
        super().__init__(method, config, backbone=Backbone(loaded.spec, model, precision=precision))
        self.device = torch.device(device)

    def _copy_for_method(self, pristine: Tensor, what: str) -> Tensor:
        return super()._copy_for_method(pristine, what).to(self.device)


@functools.cache
def shared_backbone() -> Backbone:
    """A tiny CLIP on the CPU; each subject gets a copy."""
    return tiny_backbone()


class DeviceError(AssertionError):
    """A tensor of the method is on the wrong device."""


def _difference(found: Tensor, expected: Tensor) -> float:
    scale = max(1e-12, float(expected.abs().max()))
    return float((found.double() - expected.double()).abs().max()) / scale


class DeviceTraining:
    """A short training: some steps on all images in every stage, and calibration.

    Its phases are `prepare`, `step` (one of a long training), `calibrate`, `classifier` (the class texts) and
    `evaluate` (one batch).
    """

    STEPS = 3
    """Steps of each stage; the last one is a phase, since earlier steps may compute values that later steps reuse."""

    def __init__(self, subject: DeviceSubject) -> None:
        self.subject = subject
        self.method = subject.built()
        self.stored: dict[str, Tensor] = {}
        support = subject.support()
        support.features()
        self.phase("prepare", lambda: self.method.prepare(support))
        if isinstance(self.method, TrainableMethod):
            self._train(self.method)
        if subject.info.needs_validation:
            validation = subject.support(VALIDATION)
            validation.features()
            self.phase("calibrate", lambda: self.method.calibrate(validation))

    def _train(self, method: TrainableMethod[Any]) -> None:
        batch = self.subject.batch(labelled=True)
        for optimizer in self.subject.stages(method):
            step = functools.partial(train_step, method, batch, optimizer)
            for _ in range(self.STEPS - 1):
                step()
            self.phase("step", step)
            self.stored = TrainingState(method, optimizer, torch.Generator()).tensors()
        method.on_epoch_end(0, 1)
        method.finalise()

    def all_logits(self) -> dict[str, Tensor]:
        """Logits of the trained method, of one that continues from a checkpoint, and of a restored tuned model."""
        subject = self.subject
        found = self.logits(self.method)
        images = subject.batch()
        with torch.no_grad():
            self.phase("classifier", lambda: self.method.classifier(TASK.classes))
            classify = self.method.classifier(TASK.classes)
            classify(images)
            self.phase("evaluate", lambda: classify(images))
        if isinstance(self.method, TrainableMethod):
            found[f"logits{AFTER}a checkpoint"] = subject.evaluation_logits(self._resumed())
        if (kept := _kept(subject, self.method)) is not None:
            found[f"logits{AFTER}keeping the model"] = subject.evaluation_logits(kept)
        return found

    def logits(self, method: Method[Any]) -> dict[str, Tensor]:
        """Logits for the trained classes, for other classes if possible, and of candidates of an oracle."""
        found = {"logits": self.subject.evaluation_logits(method)}
        if self.subject.is_open:
            found["logits of other classes"] = self.subject.evaluation_logits(method, OTHER_CLASSES)
        for name, classifier in method.oracle_classifiers(TASK.classes).items():
            with torch.no_grad():
                found[f"logits of candidate {name}"] = classifier(self.subject.batch())
        return found

    def _resumed(self) -> Method[Any]:
        """An instance with the stored training state, which is on the CPU."""
        other = self.subject.prepared()
        assert isinstance(other, TrainableMethod)
        *_, optimizer = self.subject.stages(other)
        TrainingState(other, optimizer, torch.Generator()).restore(self.stored)
        states = [value for state in optimizer.state.values() for key, value in state.items() if key != "step"]
        for value in [*other.trainable.parameters(), *(x for x in states if isinstance(x, Tensor))]:
            if value.device.type != self.subject.device.type:
                raise DeviceError(f"a tensor of a checkpoint was read to {value.device}")
        other.on_epoch_end(0, 1)
        other.finalise()
        if other.info.needs_validation:
            other.calibrate(self.subject.support(VALIDATION))
        return other

    def phase(self, name: str, work: Callable[[], object]) -> None:
        """Do the work of a phase."""
        work()

    def difference(self, expected: Mapping[str, Tensor]) -> tuple[float, str]:
        """The largest difference from expected logits, relative to the largest logit, and the logits that have it.

        The logits of a method that draws random numbers on the device must be finite and are not compared. Raises
        DeviceError for logits on another device.
        """
        draws = isinstance(self.method, TrainableMethod) and self.method.draws_on_device
        worst, where = 0.0, ""
        for name, logits in self.all_logits().items():
            if logits.device.type != self.subject.device.type:
                raise DeviceError(f"{name} are on {logits.device}, expected {self.subject.device}")
            reference = expected[name.partition(AFTER)[0]]
            if draws:
                difference = 0.0 if logits.shape == reference.shape and bool(logits.isfinite().all()) else math.inf
            else:
                difference = _difference(logits.cpu(), reference)
            if difference >= worst:
                worst, where = difference, name
        return worst, where


def _kept(subject: DeviceSubject, method: Method[Any]) -> Method[Any] | None:
    """Another instance with the tensors of a tuned model; None if the method cannot be stored."""
    state = {
        name: value.detach().cpu().to(home_of(value.dtype, subject.device))
        for name, value in method.tuned_state().items()
    }
    other = subject.built(seed=5)
    try:
        with torch.no_grad():
            other.restore_tuned_state(TASK.classes, state)
    except SupportImagesError:
        return None
    return other
