"""The minibatch loop: optimiser, Dassl's per-epoch schedule, and the steps. Knows nothing of images or files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.checkpoint import Checkpoint, Progress, TrainingState
from bench.errors import NonFiniteLossError
from methods._base import Batch, TrainableMethod
from methods._recipe import Optimizer, Recipe, Schedule, Warmup

ParameterGroups = Iterable[nn.Parameter] | Iterable[dict[str, Any]]


@dataclass(frozen=True)
class FitResult:
    """What training reports: optimiser steps taken and the last step's loss."""

    steps: int
    final_loss: float


def learning_rate(recipe: Recipe, epoch: int, epochs: int) -> float:
    """Dassl's learning rate of an epoch (0-based).

    Warm-up epochs run at `warmup_lr` (constant), or at `warmup_lr` first and then at `lr * epoch / warmup_epochs`
    (linear). Behind them the cosine starts anew at the full rate, with the whole number of epochs as its period, so
    that the rate never reaches 0.
    """
    warm = 0 if recipe.warmup is Warmup.NONE else recipe.warmup_epochs
    if epoch < warm:
        if recipe.warmup is Warmup.LINEAR and epoch > 0:
            return recipe.lr * epoch / warm
        return recipe.warmup_lr
    return 0.5 * recipe.lr * (1 + math.cos(math.pi * (epoch - warm) / epochs))


def step_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate of a step (0-based) under the per-step cosine: torch's CosineAnnealingLR over all steps.

    Warm-up steps run at `warmup_lr` first and then at `lr * step / warmup_steps`; the cosine begins behind them, with
    the whole number of steps as its period.
    """
    warm = recipe.warmup_steps
    if step < warm:
        return recipe.warmup_lr if step == 0 else recipe.lr * step / warm
    return recipe.min_lr + 0.5 * (recipe.lr - recipe.min_lr) * (1 + math.cos(math.pi * (step - warm) / steps))


def make_optimizer(recipe: Recipe, parameters: ParameterGroups) -> torch.optim.Optimizer:
    """The recipe's optimiser; settings it does not name are torch's defaults, as in Dassl."""
    params: Any = list(parameters)
    eps: dict[str, Any] = {} if recipe.eps is None else {"eps": recipe.eps}
    match recipe.optimizer:
        case Optimizer.SGD:
            return torch.optim.SGD(params, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
        case Optimizer.ADAM:
            return torch.optim.Adam(params, lr=recipe.lr, weight_decay=recipe.weight_decay, **eps)
        case Optimizer.ADAMW:
            return torch.optim.AdamW(params, lr=recipe.lr, weight_decay=recipe.weight_decay, **eps)
        case Optimizer.ADADELTA:
            return torch.optim.Adadelta(params, lr=recipe.lr, weight_decay=recipe.weight_decay)


def epoch_batches(n: int, batch_size: int, generator: torch.Generator, *, drop_last: bool = True) -> Iterator[Tensor]:
    """Indices of one epoch's batches, shuffled.

    Args:
        n: images.
        batch_size: images a batch; 0 takes all at once.
        generator: draws the order.
        drop_last: leave the incomplete last batch out, once n holds a whole one.
    """
    order = torch.randperm(n, generator=generator)
    size = min(batch_size or n, n)
    for i in range(0, n, size):
        if i + size <= n or not drop_last:
            yield order[i : i + size]


def epochs_and_steps(recipe: Recipe, n: int, shots: int) -> tuple[int, int]:
    """How many epochs training begins, and how many steps it takes in all."""
    size = min(recipe.batch_size or n, n)
    per_epoch = n // size if recipe.drop_last else math.ceil(n / size)
    if steps := recipe.steps or recipe.steps_per_shot * shots:
        return math.ceil(steps / per_epoch), steps
    epochs = recipe.epochs_for(shots)
    return epochs, epochs * per_epoch


def train_step(method: TrainableMethod[Any], batch: Batch, optimizer: torch.optim.Optimizer) -> float:
    """One forward, backward and update; returns the loss before the update.

    Raises:
        NonFiniteLossError: if the loss is NaN or infinite; the parameters are then left as they were.
    """
    optimizer.zero_grad(set_to_none=True)
    value = float(method.backward(batch).detach())
    if not math.isfinite(value):
        raise NonFiniteLossError(f"The training loss of {method.info.name} became {value}; lower its learning rate.")
    optimizer.step()
    return value


def fit(
    method: TrainableMethod[Any],
    recipe: Recipe,
    *,
    n: int,
    shots: int,
    batches_of: Callable[[int], Callable[[Tensor], Batch]],
    generator: torch.Generator,
    checkpoint: Checkpoint | None = None,
) -> FitResult:
    """Train by minibatch epochs.

    Args:
        method: prepared; its `trainable` is updated in place.
        recipe: training settings.
        n: images in the support set.
        shots: images per class, for recipes whose epochs depend on it.
        batches_of: `batches_of(epoch)` gives a function from indices to the batch of that epoch's views.
        generator: draws the order of the images.
        checkpoint: where an earlier part of this training left its state, and where this one does.
    """
    optimizer = make_optimizer(recipe, method.parameter_groups())
    epochs, total = epochs_and_steps(recipe, n, shots)
    state = TrainingState(method, optimizer, generator)
    before = checkpoint.load(state) if checkpoint else None
    first, steps, loss = (before.epochs, before.steps, before.loss) if before else (0, 0, math.nan)
    for epoch in range(first, epochs):
        make_batch = batches_of(epoch)
        for indices in epoch_batches(n, recipe.batch_size, generator, drop_last=recipe.drop_last):
            if steps == total:
                break
            _set_rate(optimizer, _rate(recipe, epoch=epoch, epochs=epochs, step=steps, steps=total))
            try:
                loss = train_step(method, make_batch(indices), optimizer)
            except NonFiniteLossError as error:
                raise NonFiniteLossError(f"{error} (epoch {epoch + 1} of {epochs}, step {steps + 1})") from error
            steps += 1
        method.on_epoch_end(epoch, epochs)
        if checkpoint:
            checkpoint.keep(state, Progress(epoch + 1, steps, loss))
    method.finalise()
    return FitResult(steps, loss)


def _rate(recipe: Recipe, *, epoch: int, epochs: int, step: int, steps: int) -> float:
    match recipe.schedule:
        case Schedule.DASSL:
            return learning_rate(recipe, epoch, epochs)
        case Schedule.COSINE:
            return step_rate(recipe, step, steps)
        case Schedule.CONSTANT:
            return recipe.lr


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)
