"""The minibatch loop: stages, epochs, steps, optimiser and learning-rate schedules. It reads no images or files."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any

import torch
from torch import Tensor, nn

from bench._util.prefetch import prefetch
from bench.errors import NonFiniteLossError
from bench.experiment.checkpoints import Checkpoint, EpochCandidates, Progress, TrainingState
from methods import Batch, Needs, Recipe, TrainableMethod


def learning_rate(recipe: Recipe, epoch: int, epochs: int) -> float:
    """Dassl's learning rate of an epoch (0-based).

    Warm-up epochs run at `warmup_lr` (constant), or at `warmup_lr` first and then at `lr * epoch / warmup_epochs`
    (linear). Then the cosine starts at the full rate, with the total number of epochs as its period, so the rate never
    reaches 0.

    Example:
        >>> recipe = Recipe(lr=0.002, warmup="constant", warmup_epochs=1, warmup_lr=1e-5)
        >>> [round(learning_rate(recipe, epoch, 4), 6) for epoch in range(4)]
        [1e-05, 0.002, 0.001707, 0.001]
    """
    warm = 0 if recipe.warmup == "none" else recipe.warmup_epochs
    if epoch < warm:
        if recipe.warmup == "linear" and epoch > 0:
            return recipe.lr * epoch / warm
        return recipe.warmup_lr
    return 0.5 * recipe.lr * (1 + math.cos(math.pi * (epoch - warm) / epochs))


def step_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate of a step (0-based) under the per-step cosine: torch's CosineAnnealingLR over all steps.

    Warm-up steps run at `warmup_lr` first and then at `lr * step / warmup_steps`. Then the cosine starts, with the
    total number of steps as its period.
    """
    warm = recipe.warmup_steps
    if step < warm:
        return recipe.warmup_lr if step == 0 else recipe.lr * step / warm
    return recipe.min_lr + 0.5 * (recipe.lr - recipe.min_lr) * (1 + math.cos(math.pi * (step - warm) / steps))


ParameterGroups = Iterable[nn.Parameter] | Iterable[dict[str, Any]]


def make_optimizer(recipe: Recipe, parameters: ParameterGroups) -> torch.optim.Optimizer:
    """The recipe's optimiser; all other settings are torch's defaults, as in Dassl."""
    params: Any = list(parameters)
    eps: dict[str, Any] = {} if recipe.eps is None else {"eps": recipe.eps}
    match recipe.optimizer:
        case "sgd":
            return torch.optim.SGD(params, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
        case "adam":
            return torch.optim.Adam(params, lr=recipe.lr, weight_decay=recipe.weight_decay, **eps)
        case "adamw":
            return torch.optim.AdamW(params, lr=recipe.lr, weight_decay=recipe.weight_decay, **eps)
        case "adadelta":
            return torch.optim.Adadelta(params, lr=recipe.lr, weight_decay=recipe.weight_decay)


def epoch_batches(n: int, batch_size: int, generator: torch.Generator, *, drop_last: bool = True) -> Iterator[Tensor]:
    """Indices of one epoch's batches over `n` images in random order; with `batch_size` 0, one batch of all images.

    An incomplete last batch is left out with `drop_last`, unless it is the only one.
    """
    order = torch.randperm(n, generator=generator)
    size = min(batch_size or n, n)
    for i in range(0, n, size):
        if i + size <= n or not drop_last:
            yield order[i : i + size]


def train_step(method: TrainableMethod[Any], batch: Batch, optimizer: torch.optim.Optimizer) -> float:
    """One forward pass, backward pass and update; returns the loss, or raises NonFiniteLossError before the update."""
    method.before_step()
    optimizer.zero_grad(set_to_none=True)
    value = float(method.backward(batch).detach())
    if not math.isfinite(value):
        raise NonFiniteLossError(f"The training loss of {method.info.name} became {value}.")
    optimizer.step()
    return value


@dataclass(frozen=True)
class Span:
    """The epochs and steps of one stage, counted from 0 over the whole training; its last epoch may be incomplete."""

    stage: int
    first_epoch: int
    epochs: int
    first_step: int
    steps: int


def stage_spans(recipes: Sequence[Recipe], shares: Sequence[float], n: int, shots: int) -> list[Span]:
    """The start and length of each stage.

    Stages end at their cumulative shares of their recipe's steps or, if it is given in epochs, of its epochs, rounded
    down. Each stage begins with a new epoch.
    """
    spans: list[Span] = []
    first_epoch = first_step = 0
    begin = 0.0
    for stage, (recipe, end) in enumerate(zip(recipes, accumulate(shares), strict=True)):
        epochs, total = recipe.epochs_and_steps(n, shots)
        in_steps = bool(recipe.steps or recipe.steps_per_shot)
        per_epoch = recipe.steps_per_epoch(n)
        whole = total if in_steps else epochs
        # the small term makes 0.6 + 0.4 equal the whole in spite of rounding
        length, begin = int(whole * end + 1e-9) - int(whole * begin + 1e-9), end
        span = (math.ceil(length / per_epoch), length) if in_steps else (length, length * per_epoch)
        spans.append(Span(stage, first_epoch, span[0], first_step, span[1]))
        first_epoch, first_step = first_epoch + span[0], first_step + span[1]
    return spans


def stage_recipes(method: TrainableMethod[Any], recipe: Recipe) -> list[Recipe]:
    """The recipe of each stage of a prepared method."""
    return [method.stage_recipe(stage, recipe) for stage in range(len(method.stages()))]


def training_epochs(method: TrainableMethod[Any], recipe: Recipe, n: int, shots: int) -> int:
    """Number of epochs of a prepared method over all stages; the last may be incomplete."""
    last = stage_spans(stage_recipes(method, recipe), method.stages(), n, shots)[-1]
    return last.first_epoch + last.epochs


def fit(
    method: TrainableMethod[Any],
    recipe: Recipe,
    *,
    n: int,
    shots: int,
    batches_of: Callable[[int], Callable[[Tensor], Batch]],
    generator: torch.Generator,
    checkpoint: Checkpoint | None = None,
    candidates: EpochCandidates | None = None,
) -> Progress:
    """Train a prepared method in place by minibatch epochs, stage by stage.

    Args:
        n: number of images in the support set.
        shots: images per class, for recipes whose epochs depend on it.
        batches_of: `batches_of(epoch)` returns a function from indices to the batch of that epoch's views.
        generator: draws the order of the images.
        checkpoint: training resumes from it if it fits, and writes to it.
        candidates: copies at the ends of epochs, which checkpoints store too.
    """
    recipes = stage_recipes(method, recipe)
    spans = stage_spans(recipes, method.stages(), n, shots)
    epochs = spans[-1].first_epoch + spans[-1].epochs
    current: tuple[Span, TrainingState] | None = None

    def stage_of(epoch: int) -> tuple[Span, TrainingState]:
        """The stage of an epoch and its training state; begins the stage if it is not the current one."""
        nonlocal current
        span = next(span for span in spans if epoch < span.first_epoch + span.epochs)
        if current is None or current[0] != span:
            method.begin_stage(span.stage)
            method.trainable.zero_grad()  # parameters of the previous stage keep no gradient
            optimizer = make_optimizer(recipes[span.stage], method.parameter_groups())
            current = (span, TrainingState(method, optimizer, generator, candidates))
        return current

    if candidates:
        candidates.plan(spans[-1].first_epoch, spans[-1].epochs)
    before = checkpoint.load(lambda epochs_done: stage_of(epochs_done - 1)[1]) if checkpoint else None
    first, steps, loss = (before.epochs, before.steps, before.loss) if before else (0, 0, math.nan)
    for epoch in range(first, epochs):
        span, state = stage_of(epoch)
        stage_recipe = recipes[span.stage]
        usual = list(epoch_batches(n, stage_recipe.batch_size, generator, drop_last=stage_recipe.drop_last))
        in_steps = stage_recipe.steps or stage_recipe.steps_per_shot or stage_recipe.schedule in ("cosine", "wave")
        n_steps = min(span.first_step + span.steps - steps, len(usual)) if in_steps else None
        for batch in _batches(batches_of(epoch), list(islice(method.arrange(usual), n_steps)), method.info.needs):
            set_rates(state.optimizer, stage_recipe, span, epoch, steps)
            try:
                loss = train_step(method, batch, state.optimizer)
            except NonFiniteLossError as error:
                if not steps:
                    raise NonFiniteLossError(
                        f"The training loss of {method.info.name} is not finite before the first step, so its learning "
                        "rate is not the reason; look for log(0), division by 0 and overflowing exp in its logits and "
                        "its loss."
                    ) from error
                place = f"epoch {epoch + 1} of {epochs}, step {steps + 1}"
                raise NonFiniteLossError(f"{error} Lower its learning rate ({place}).") from error
            steps += 1
        method.on_epoch_end(epoch, epochs)
        if candidates:
            candidates.end_of_epoch(epoch + 1)
        if checkpoint:
            checkpoint.save_if_due(state, Progress(epoch + 1, steps, loss))
    method.finalise()
    return Progress(epochs, steps, loss)


def _batches(
    make_batch: Callable[[Tensor], Batch], order: Sequence[Tensor], needs: frozenset[Needs]
) -> Iterable[Batch]:
    """The batches of an epoch; pixels are decoded while earlier batches are trained on."""
    if "pixels" not in needs:
        return map(make_batch, order)
    return prefetch(order, lambda indices: make_batch(indices).load("pixels"))


def set_rates(optimizer: torch.optim.Optimizer, recipe: Recipe, span: Span, epoch: int, step: int) -> None:
    """Set the learning rate of each parameter group for a step.

    A group's `lr_scale` multiplies the recipe's `lr`. As in Dassl and torch, all groups have the same `warmup_lr` and
    `min_lr`.
    """
    for group in optimizer.param_groups:
        scale = group.get("lr_scale", 1.0)
        scaled = recipe if scale == 1 else recipe.model_copy(update={"lr": recipe.lr * scale})
        group["lr"] = scheduled_rate(scaled, span, epoch, step)


def scheduled_rate(recipe: Recipe, span: Span, epoch: int, step: int) -> float:
    """The learning rate of a step; every stage runs the complete schedule."""
    match recipe.schedule:
        case "dassl":
            return learning_rate(recipe, epoch - span.first_epoch, span.epochs)
        case "cosine":
            return step_rate(recipe, step - span.first_step, span.steps)
        case "wave":
            return step_rate(recipe, step - span.first_step, span.epochs)
        case "constant":
            return recipe.lr
