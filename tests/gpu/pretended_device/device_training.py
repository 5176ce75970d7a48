"""A short training of one method on another device, whose logits are compared with those on the CPU."""

from __future__ import annotations

import copy
import functools
import math
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from bench.experiment import TrainingState, train_step
from bench.extensions.conformance.subject import OTHER_CLASSES, TASK, Subject, author_place, tiny_backbone
from methods import Backbone, Method, MethodConfig, Precision, SupportImagesError, TrainableMethod, home_of
from pretended_device.process import DeviceOutcome
from pretended_device.tensors import CASTS, FROZEN, memory_of

shared_backbone = functools.cache(tiny_backbone)
"""A tiny CLIP on the CPU; each subject gets a copy."""
AFTER = " after "
VALIDATION = replace(TASK, seed=TASK.seed + 5)
STEPS = 3
"""Steps of each stage; earlier ones may compute values that the last one reuses."""


class DeviceSubject(Subject):
    """A method whose backbone and inputs are on a device."""

    def __init__(self, method: type[Method[Any]], config: MethodConfig, device: str, precision: Precision) -> None:
        loaded = shared_backbone()
        model = copy.deepcopy(loaded.model).to(device)
        super().__init__(method, config, backbone=Backbone(loaded.spec, model, precision=precision))
        self.device = torch.device(device)

    def _copy_for_method(self, pristine: Tensor, what: str) -> Tensor:
        return super()._copy_for_method(pristine, what).to(self.device)


class DeviceTraining:
    """A short training: some steps on all images in every stage, and calibration.

    Repeated are a `step`, `classifier` (the class texts) and `evaluate` (one batch).
    """

    def __init__(self, subject: DeviceSubject) -> None:
        self.subject = subject
        self.casts: dict[str, dict[str, int]] = {}
        self.method = subject.built()
        self.stored: dict[str, Tensor] = {}
        support, validation = subject.support(), subject.support(VALIDATION)
        support.features()
        self.method.prepare(support)
        if isinstance(self.method, TrainableMethod):
            batch = subject.batch(labelled=True)
            for optimizer in subject.stages(self.method):
                step = functools.partial(train_step, self.method, batch, optimizer)
                for _ in range(STEPS - 1):
                    step()
                self.repeated("step", step)
                self.stored = TrainingState(self.method, optimizer, torch.Generator()).tensors()
            self.method.on_epoch_end(0, 1)
            self.method.finalise()
        if subject.info.needs_validation:
            validation.features()
            self.method.calibrate(validation)

    def repeated(self, phase: str, work: Callable[[], object]) -> None:
        """Do work that a long training repeats, and keep the lines that round frozen weights; the last stage counts."""
        CASTS.clear()
        work()
        self.casts[phase] = dict(CASTS)

    @torch.no_grad()
    def logits(self) -> dict[str, Tensor]:
        """Logits for the trained classes, for other classes if possible, and of candidates of an oracle."""
        found = {"logits": self.subject.evaluation_logits(self.method)}
        if self.subject.is_open:
            found["logits of other classes"] = self.subject.evaluation_logits(self.method, OTHER_CLASSES)
        for name, classifier in self.method.oracle_classifiers(TASK.classes).items():
            found[f"logits of candidate {name}"] = classifier(self.subject.batch())
        return found

    @torch.no_grad()
    def later_logits(self) -> dict[str, Tensor]:
        """Logits of a training that continues from a checkpoint, and of a restored tuned model."""
        images = self.subject.batch()
        self.repeated("classifier", lambda: self.method.classifier(TASK.classes))
        classify = self.method.classifier(TASK.classes)
        classify(images)
        self.repeated("evaluate", lambda: classify(images))
        found = {}
        if isinstance(self.method, TrainableMethod):
            found[f"logits{AFTER}a checkpoint"] = self.subject.evaluation_logits(self._resumed())
        tuned = self.method.tuned_state()
        state = {name: tensor.cpu().to(home_of(tensor.dtype, self.subject.device)) for name, tensor in tuned.items()}
        restored = self.subject.built(seed=5)
        try:
            restored.restore_tuned_state(TASK.classes, state)
        except SupportImagesError:
            return found  # a method that cannot be stored
        return found | {f"logits{AFTER}keeping the model": self.subject.evaluation_logits(restored)}

    @torch.enable_grad()
    def _resumed(self) -> Method[Any]:
        """An instance with the stored training state, which is on the CPU."""
        other = self.subject.prepared()
        assert isinstance(other, TrainableMethod)
        *_, optimizer = self.subject.stages(other)
        TrainingState(other, optimizer, torch.Generator()).restore(self.stored)
        states = [value for state in optimizer.state.values() for key, value in state.items() if key != "step"]
        for tensor in [*other.trainable.parameters(), *(x for x in states if isinstance(x, Tensor))]:
            assert tensor.device.type == self.subject.device.type, f"a checkpoint was read to {tensor.device}"
        other.on_epoch_end(0, 1)
        other.finalise()
        if other.info.needs_validation:
            other.calibrate(self.subject.support(VALIDATION))
        return other


def trial(method: type[Method[Any]], config: MethodConfig, precision: Precision) -> DeviceOutcome:
    """Train and classify on the CPU and on the device.

    The logits of a method that draws random numbers on the device must be finite and are not compared.
    """
    try:
        with _disable_current_modes():
            expected = DeviceTraining(DeviceSubject(method, config, "cpu", precision)).logits()
        subject = DeviceSubject(method, config, "cuda", precision)
        FROZEN.clear()
        FROZEN.update(memory_of(weight.detach()) for weight in subject.backbone.model.parameters())
        training = DeviceTraining(subject)
        draws = isinstance(training.method, TrainableMethod) and training.method.draws_on_device
        outcome = DeviceOutcome(casts=training.casts)
        for name, logits in (training.logits() | training.later_logits()).items():
            assert logits.device.type == "cuda", f"{name} are on {logits.device}"
            found, reference = logits.cpu().double(), expected[name.partition(AFTER)[0]].double()
            difference = float((found - reference).abs().max()) / max(1e-12, float(reference.abs().max()))
            if draws:
                difference = 0.0 if bool(found.isfinite().all()) else math.inf
            if difference >= outcome.difference:
                outcome.difference, outcome.where = difference, name
        return outcome
    except Exception as error:  # a method may raise anything
        frames = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
        outside = [frame for frame in frames if not frame[0].startswith(str(Path(__file__).parent))]
        words = " ".join(str(error).split())
        return DeviceOutcome(f"{type(error).__name__}: {words}{author_place(outside, '')}")
