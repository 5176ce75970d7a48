"""The trial of one method on the pretended GPU: logits compared with those of the CPU, and the work counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch.utils._python_dispatch import _disable_current_modes

from bench.extensions.conformance.subject import TASK
from methods import METHODS, Method, MethodConfig, Precision
from pretended_device.counts import COUNTS
from pretended_device.device_training import VALIDATION, DeviceSubject, DeviceTraining, shared_backbone
from pretended_device.tensors import memory_of


@dataclass
class DeviceOutcome:
    """The result of a trial.

    Args:
        error: the error message; empty if there was no error.
        difference: largest difference of a logit from the CPU's, relative to the largest logit.
        where: the logits with that difference.
        counts: totals of operations, waits and pageable transfers, by phase of `DeviceTraining`.
        places: the lines with waits, pageable transfers or casts of frozen weights in each phase, with their number.
    """

    error: str = ""
    difference: float = 0.0
    where: str = ""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    places: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)


class CountedTraining(DeviceTraining):
    """A training whose phases are counted; with several stages, the one with the most operations."""

    def __init__(self, subject: DeviceSubject, outcome: DeviceOutcome) -> None:
        self.outcome = outcome
        COUNTS.frozen = frozenset(memory_of(weight.detach()) for weight in subject.backbone.model.parameters())
        super().__init__(subject)

    def phase(self, name: str, work: Callable[[], object]) -> None:
        COUNTS.clear()
        work()
        totals = COUNTS.totals()
        if totals["operations"] >= self.outcome.counts.get(name, {}).get("operations", 0):
            self.outcome.counts[name] = totals
            counters = {"waits": COUNTS.waits, "pageable": COUNTS.pageable, "casts": COUNTS.casts}
            self.outcome.places[name] = {kind: dict(counter) for kind, counter in counters.items()}


def warm_up() -> None:
    """Load the data that all trials share: the backbone, the toy images and their features, the tokeniser."""
    METHODS.infos()
    shared_backbone().tokenized([TASK.classes.template])
    for task in (TASK, VALIDATION):
        _ = task.values


def trial(
    method: type[Method[Any]], config: MethodConfig | None, precision: Precision = Precision.FP32
) -> DeviceOutcome:
    """Train and classify on the CPU and on the device; errors of the method are raised."""
    with _disable_current_modes():
        reference = DeviceTraining(DeviceSubject(method, config, "cpu", precision))
        expected = reference.logits(reference.method)
    outcome = DeviceOutcome()
    training = CountedTraining(DeviceSubject(method, config, "cuda", precision), outcome)
    outcome.difference, outcome.where = training.difference(expected)
    return outcome
