"""The minibatch loop: optimiser, Dassl's per-epoch schedule, and the steps. Knows nothing of images or files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import NonFiniteLossError
from methods._base import Batch, TrainableMethod
from methods._recipe import Optimizer, Recipe, Warmup


@dataclass(frozen=True)
class FitResult:
    """What training reports: optimiser steps taken and the last step's loss."""

    steps: int
    final_loss: float


def learning_rate(recipe: Recipe, epoch: int, epochs: int) -> float:
    """Dassl's learning rate of an epoch (0-based).

    Warm-up epochs run at `warmup_lr` (constant), or at `warmup_lr` first and then at `lr * epoch / warmup_epochs`
    (linear). Behind them the cosine starts anew at the full rate, with the whole number of epochs as its period, so that the rate
    never reaches 0.
    """
    warm = 0 if recipe.warmup is Warmup.NONE else recipe.warmup_epochs
    if epoch < warm:
        if recipe.warmup is Warmup.LINEAR and epoch > 0:
            return recipe.lr * epoch / warm
        return recipe.warmup_lr
    return 0.5 * recipe.lr * (1 + math.cos(math.pi * (epoch - warm) / epochs))


def make_optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The recipe's optimiser; settings it does not name are torch's defaults, as in Dassl."""
    params = list(parameters)
    match recipe.optimizer:
        case Optimizer.SGD:
            return torch.optim.SGD(params, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
        case Optimizer.ADAM:
            return torch.optim.Adam(params, lr=recipe.lr, weight_decay=recipe.weight_decay)
        case Optimizer.ADAMW:
            return torch.optim.AdamW(params, lr=recipe.lr, weight_decay=recipe.weight_decay)
        case Optimizer.ADADELTA:
            return torch.optim.Adadelta(params, lr=recipe.lr, weight_decay=recipe.weight_decay)


def epoch_batches(n: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of one epoch's batches, shuffled; the incomplete last batch is dropped once n holds a whole one."""
    order = torch.randperm(n, generator=generator)
    whole = n // batch_size
    if whole == 0:
        yield order
    for i in range(whole):
        yield order[i * batch_size : (i + 1) * batch_size]


def train_step(method: TrainableMethod[Any], batch: Batch, optimizer: torch.optim.Optimizer) -> float:
    """One forward, backward and update; returns the loss before the update.

    Raises:
        NonFiniteLossError: if the loss is NaN or infinite; the parameters are then left as they were.
    """
    loss = method.loss(batch)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise NonFiniteLossError(
            f"The training loss of {method.info.name} became {value}; lower its learning rate."
        )
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
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
) -> FitResult:
    """Train by minibatch epochs.

    Args:
        method: prepared; its `trainable` is updated in place.
        recipe: training settings.
        n: images in the support set.
        shots: images per class, for recipes whose epochs depend on it.
        batches_of: `batches_of(epoch)` gives a function from indices to the batch of that epoch's views.
        generator: draws the order of the images.
    """
    optimizer = make_optimizer(recipe, method.trainable.parameters())
    epochs = recipe.epochs_for(shots)
    steps, loss = 0, math.nan
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, epoch, epochs)
        make_batch = batches_of(epoch)
        for indices in epoch_batches(n, recipe.batch_size, generator):
            try:
                loss = train_step(method, make_batch(indices), optimizer)
            except NonFiniteLossError as error:
                raise NonFiniteLossError(f"{error} (epoch {epoch + 1} of {epochs}, step {steps + 1})") from error
            steps += 1
    return FitResult(steps, loss)
