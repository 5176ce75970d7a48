"""A run of this project that also keeps its loss of every step, its logits, and the random numbers it started from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from bench import ExperimentSpec, RunContext
from bench.experiment import evaluation, runner, training_loop
from bench.experiment.task import load_task
from datasets_registry import FewShotTask


@dataclass
class RecordedRun:
    """What happened.

    Args:
        losses: of every step, before its update.
        logits: `(n, n_cls)` by split.
        start: the trained tensors before the first step, by name.
        shuffle: a copy of the generator that orders the images, as it was before the first epoch.
    """

    task: FewShotTask
    losses: list[float] = field(default_factory=list)
    logits: dict[str, Tensor] = field(default_factory=dict)
    start: dict[str, Tensor] = field(default_factory=dict)
    shuffle: torch.Generator = field(default_factory=torch.Generator)


def recorded_run(
    spec: ExperimentSpec, context: RunContext, *, before_training: Callable[[Any], None] = lambda method: None
) -> RecordedRun:
    """Carry out a run; `before_training(method)` may overwrite the trained tensors of the prepared method."""
    record = RecordedRun(load_task(spec, context))
    fit, step, predict = runner.fit, training_loop.train_step, evaluation.predictions

    def recorded_fit(method: Any, *args: Any, generator: torch.Generator, **settings: Any) -> Any:
        before_training(method)
        record.start = {name: p.detach().clone() for name, p in method.trainable.named_parameters()}
        record.shuffle.set_state(generator.get_state())
        return fit(method, *args, generator=generator, **settings)

    def recorded_step(*args: Any) -> float:
        record.losses.append(step(*args))
        return record.losses[-1]

    def recorded_predictions(split: Any, logits: Tensor) -> Any:
        record.logits[split.name] = logits
        return predict(split, logits)

    with ExitStack() as stack:
        stack.enter_context(patch.object(runner, "fit", recorded_fit))
        stack.enter_context(patch.object(training_loop, "train_step", recorded_step))
        stack.enter_context(patch.object(evaluation, "predictions", recorded_predictions))
        runner.run_experiment(spec, context)
    return record
