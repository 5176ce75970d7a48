"""The minibatch loop of `training_loop.fit` for several runs at once that differ only in support set and seed.

The runs train in lockstep: equal recipes and numbers of images give equal batch sizes and learning rates. Each run
keeps its own order of images, views, copies of epochs and checkpoints. `methods._base.training` describes the
requirements on a method, and why results are bit-identical to those of single runs.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from bench.errors import NonFiniteLossError
from bench.experiment.checkpoints import Checkpoint, Progress, TrainingState
from bench.experiment.epoch_observers import EpochObserver
from bench.experiment.training_loop import epoch_batches, make_optimizer, set_rates, stage_spans
from methods import Batch, MethodInfo, Needs, Recipe, TrainableMethod, separate, stack_runs

READABLE = frozenset({Needs.FEATURES, Needs.POOLED})
"""The parts of a batch that are available in a stack."""


@dataclass(frozen=True)
class Training:
    """The training of one run: the arguments of `fit`, and for a stack a block in which its passes are counted."""

    method: TrainableMethod[Any]
    recipe: Recipe
    batches_of: Callable[[int], Callable[[Tensor], Batch]]
    generator: torch.Generator
    checkpoint: Checkpoint | None
    observers: dict[str, EpochObserver]
    counting: Callable[[], AbstractContextManager[None]] = nullcontext

    def alone(self) -> dict[str, Any]:
        """The arguments of `fit`."""
        return {name: value for name, value in vars(self).items() if name != "counting"}

    def load(self, epoch: int, indices: Tensor) -> Batch:
        """All images of an epoch in its order, with the parts that the method reads."""
        with self.counting():
            batch = self.batches_of(epoch)(indices)
            for need in self.method.info.needs:
                batch.load(need)
        return batch


def can_stack(info: MethodInfo) -> bool:
    """Whether runs of a method can train as a stack."""
    return info.stackable and info.needs <= READABLE


def fit_stack(runs: Sequence[Training], *, n: int, shots: int) -> list[Progress]:
    """Train prepared methods in place, from the start; returns the progress of each.

    All have the same recipe and `n` images, and their methods one stage and the default parameter groups.

    Raises:
        NonFiniteLossError: if a loss is not finite. The methods are then left partly trained.
    """
    recipe, methods = runs[0].recipe, [run.method for run in runs]
    (span,) = stage_spans([recipe], methods[0].stages(), n, shots)
    for run in runs:
        run.method.begin_stage(0)
        for observer in run.observers.values():
            observer.plan(0, span.epochs)
    stack = stack_runs(methods)
    optimizer = make_optimizer(recipe, stack.parameter_groups())
    steps, losses = 0, torch.full((len(runs),), math.nan)
    for epoch in range(span.epochs):
        orders = [
            list(
                islice(epoch_batches(n, recipe.batch_size, r.generator, drop_last=recipe.drop_last), span.steps - steps)
            )
            for r in runs
        ]
        for batch in _batches(runs, orders, epoch):
            set_rates(optimizer, recipe, span, epoch, steps)
            for method in methods:
                method.before_step()
            optimizer.zero_grad(set_to_none=True)
            losses = stack.backward(batch).detach()
            if not math.isfinite(float(losses.sum())):
                raise NonFiniteLossError(f"A training loss of {methods[0].info.name} is not finite.")
            optimizer.step()
            steps += 1
        for index, run in enumerate(runs):
            run.method.on_epoch_end(epoch, span.epochs)
            for observer in run.observers.values():
                observer.end_of_epoch(epoch + 1, steps)
            if run.checkpoint and run.checkpoint.due:
                progress = Progress(epoch + 1, steps, float(losses[index]))
                run.checkpoint.save_if_due(_state(run, optimizer, index), progress)
    separate(methods)
    for method in methods:
        method.finalise()
    return [Progress(span.epochs, steps, float(loss)) for loss in losses]


def _batches(runs: Sequence[Training], orders: Sequence[Sequence[Tensor]], epoch: int) -> Iterator[Batch]:
    """The batches of an epoch, with a leading dimension of runs."""
    needs, sizes = runs[0].method.info.needs, [len(indices) for indices in orders[0]]
    if not sizes:
        return
    shown = [run.load(epoch, torch.cat(list(order))) for run, order in zip(runs, orders, strict=True)]
    labels = torch.split(torch.stack([batch.labels for batch in shown]), sizes, dim=1)
    rows = {
        need: torch.split(torch.stack([getattr(batch, need) for batch in shown]), sizes, dim=1)
        for need in sorted(needs)
    }
    for step, mine in enumerate(labels):
        read = {need: partial(_chosen, parts, step) for need, parts in rows.items()}
        features, pooled = read.get(Needs.FEATURES, _unavailable), read.get(Needs.POOLED, _unavailable)
        yield Batch(mine, features=features, pooled=pooled, pixels=_unavailable, needs=needs)


def _chosen(parts: Sequence[Tensor], step: int) -> Tensor:
    return parts[step]


def _unavailable() -> Tensor:
    raise AssertionError("a stack has only what its method reads")


def _state(run: Training, optimizer: torch.optim.Optimizer, index: int) -> TrainingState:
    """The state of one run, as if it trained alone."""
    own = make_optimizer(run.recipe, run.method.parameter_groups())
    (mine,), (shared,) = ([group["params"] for group in some.param_groups] for some in (own, optimizer))
    for parameter, stacked in zip(mine, shared, strict=True):
        own.state[parameter] = {
            name: value[index] if isinstance(value, Tensor) and value.shape == stacked.shape else value
            for name, value in optimizer.state[stacked].items()
        }
    return TrainingState(run.method, own, run.generator, run.observers)
