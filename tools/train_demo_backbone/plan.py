"""The settings of a training run, its learning rate and its order of images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets_registry._synthetic.drawing import generator
from tools.train_demo_backbone.scenes import Scene


@dataclass(frozen=True)
class TrainingPlan:
    """The settings of a training run.

    Args:
        steps: optimiser steps.
        batch: images per step.
        pool: images painted before training; steps sample from them without replacement.
        held_out: images after the pool that measure progress.
        lr: peak learning rate; linear warm-up, then cosine to zero.
        warmup: steps of warm-up.
        first_lesson: share of the steps with only single, large, plain figures, from which shapes are learned faster.
        weight_decay: on matrices only.
        seed: of the initial weights, order, crops and captions.
        bf16: autocast the towers to bfloat16.
        report_every: steps between two progress reports.
    """

    steps: int = 4000
    batch: int = 128
    pool: int = 100_000
    held_out: int = 600
    lr: float = 1.5e-3
    warmup: int = 150
    first_lesson: float = 0.2
    weight_decay: float = 0.05
    seed: int = 1
    bf16: bool = True
    report_every: int = 200


def learning_rate(step: int, plan: TrainingPlan) -> float:
    """Linear warm-up to `plan.lr`, then cosine to zero."""
    if step < plan.warmup:
        return plan.lr * (step + 1) / plan.warmup
    done = (step - plan.warmup) / max(1, plan.steps - plan.warmup)
    return plan.lr * 0.5 * (1 + math.cos(math.pi * done))


class PictureOrder:
    """The images of each step: shuffled passes over single, large, plain figures at first, then over the whole pool."""

    def __init__(self, scenes: Sequence[Scene], plan: TrainingPlan) -> None:
        self._plan = plan
        self._everything = np.arange(len(scenes))
        self._easy = np.array(
            [i for i, s in enumerate(scenes) if s.count == 1 and s.size == "large" and s.surface == "plain"]
        )
        self._waiting: list[int] = []
        self._passes = 0

    def next_batch(self, step: int) -> list[int]:
        """Indices of the images of a step; call it once per step, in order."""
        first_full_step = int(self._plan.first_lesson * self._plan.steps)
        if step == first_full_step:
            self._waiting = []
        while len(self._waiting) < self._plan.batch:
            rng = generator("order", self._plan.seed, self._passes)
            self._waiting += rng.permutation(self._easy if step < first_full_step else self._everything).tolist()
            self._passes += 1
        chosen, self._waiting = self._waiting[: self._plan.batch], self._waiting[self._plan.batch :]
        return chosen
