"""LwEIB (ZjjConan/VLM-LwEIB): the random choices of each step are recorded, so that ours can be the same."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from dassl_trainer import DasslTraining, configuration
from recording import CaseSettings, Weights, class_names, step_by_step
from torch import Tensor

SOURCE = "ZjjConan/VLM-LwEIB@af61e13 trainers/lweib.py (LwEIB.build_model, forward_backward), clip/model.py"
BLOCKS = {"ADAPTER_END": 3}
CASES = {
    "some_classes": CaseSettings(BLOCKS | {"NEG_SAMPLING_RATIO": 1}, "all", ("all",)),
    "all_classes": CaseSettings(
        BLOCKS | {"NEG_SAMPLING_RATIO": -1, "ADAPTER_SCALE": 0.075, "ADAPTER_SCALE_FACTOR": 7.5, "OPTIM.LR": 0.15}
    ),
    "last_blocks": CaseSettings({"ADAPTER_START": 2, "ADAPTER_END": 3, "ADAPTER_SCALE": 0.5}, "all", ("all",)),
    "middle_block": CaseSettings({"ADAPTER_START": 2, "ADAPTER_END": 2, "ADAPTER_SCALE": 0.5}),
    "large_scale": CaseSettings(BLOCKS | {"ADAPTER_SCALE": 0.5, "SLOW_FAST_RATIO": 0.3}),
}
LONG = "a photo of the " + "hard to see " * 30 + "."
DESCRIPTIONS = {
    name.replace("_", " "): ["a bad photo of a boeing.", "a photo of the forest and the river.", LONG]
    for name in class_names("all")
}
"""Sentences about each class in place of those of GPT-3; the last is longer than the context."""


class Training(DasslTraining):
    def __init__(self, *made: Any) -> None:
        self.draws: list[dict[str, Any]] = []
        super().__init__(*made)
        unused = "adapter_learner.visual_adapter.3.mlp_conv.conv.weight"  # only the class token of this block is read
        self.trained = {key: value for key, value in self.trained.items() if key != unused}
        self.facts = {**self.facts, "descriptions": DESCRIPTIONS, "draws": self.draws}

    def build(self, names: list[str]) -> Any:
        importlib.import_module("trainers.lweib").load_CuPL_templates = lambda _: DESCRIPTIONS
        return super().build(names)

    def step(self, pixels: Tensor, labels: Tensor) -> float:
        with recorded_draws() as drawn:
            loss = super().step(pixels, labels)
        names = len(self.trainer.dm.dataset.classnames)
        chosen = sorted(set(labels.tolist()))
        others = [c for c in range(names) if c not in chosen]
        if "multinomial" in drawn:  # some classes besides those of the batch
            classes = chosen + [others[i] for i in drawn["multinomial"][0].tolist()]
        else:
            classes = list(range(names))
        slow = self.made[2].TRAINER.LWEIB.SLOW_FAST_RATIO
        fast = [bool(value > slow) for value in drawn["rand"]]
        sentences = drawn["randint"][0].flatten().tolist()
        self.draws.append({"classes": classes, "sentences": sentences, "text": fast[:3], "image": fast[3:]})
        return loss


@contextmanager
def recorded_draws() -> Iterator[dict[str, list[Tensor]]]:
    """What torch's random functions give inside, by their names."""
    drawn: dict[str, list[Tensor]] = {}
    plain = {name: getattr(torch, name) for name in ("rand", "randint", "multinomial")}

    def recorded(name: str) -> Any:
        def draw(*args: Any, **settings: Any) -> Tensor:
            value: Tensor = plain[name](*args, **settings)
            drawn.setdefault(name, []).append(value)
            return value

        return draw

    for name in plain:
        setattr(torch, name, recorded(name))
    try:
        yield drawn
    finally:
        for name, function in plain.items():
            setattr(torch, name, function)


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    options: list[object] = ["INPUT.SIZE", [32, 32], "DATASET.NAME", "OxfordPets", "TRAINER.LWEIB.PREC", "fp32"]
    for key, value in case.settings.items():
        options += [key if "." in key else f"TRAINER.LWEIB.{key}", value]
    cfg = configuration(checkout / "configs/trainers/LwEIB/base2new.yaml", options)
    return step_by_step(case, Training("trainers.lweib", "LwEIB", cfg, case, clip), start)
