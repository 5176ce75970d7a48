"""A method with mistakes that the conformance kit names: random numbers without the generator, and labels read."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from methods import METHODS

FILE = __file__
TaskRes: Any = METHODS.get("task_res")
UNSEEDED = {
    "torch": lambda: float(torch.rand(())),
    "numpy": lambda: float(np.random.rand()),
    "numpy without a seed": lambda: float(np.random.default_rng().random()),
    "random": lambda: random.random(),
}


def careless(draw: str | None = None, *, reads_labels: bool = False) -> Any:
    """A method that draws with one of `UNSEEDED` while it classifies, also in training, or that reads labels."""

    class Careless(TaskRes):
        info = replace(TaskRes.info, name="careless")

        def loss(self, batch: Any) -> Any:
            return super().loss(batch) * (UNSEEDED[draw]() if draw else 1.0)

        def classifier(self, classes: Any) -> Any:
            classify = super().classifier(classes)

            def call(batch: Any) -> Any:
                if reads_labels:
                    batch.labels  # noqa: B018
                return classify(batch) + (UNSEEDED[draw]() if draw else 0.0)

            return call

    return Careless
