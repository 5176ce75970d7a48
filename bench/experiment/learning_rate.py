"""Learning-rate schedules by epoch and by step."""

import math

from methods import Recipe, Warmup


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
    warm = 0 if recipe.warmup is Warmup.NONE else recipe.warmup_epochs
    if epoch < warm:
        if recipe.warmup is Warmup.LINEAR and epoch > 0:
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
