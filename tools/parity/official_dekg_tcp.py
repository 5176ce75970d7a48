"""DeKg (cnunlp/DeKg) on TCP, with the width of the tiny CLIP's text tower, and its second block for the ninth."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from dassl_trainer import DasslTraining, configuration, import_resized
from recording import CaseSettings, Weights, step_by_step
from torch import Tensor

SOURCE = "cnunlp/DeKg@b8f2f1c trainers/DeKg_TCP.py (DeKg_TCP.build_model, forward_backward, forward), trainers/loss.py"
CASES = {
    "published": CaseSettings({}),
    "much_divergence": CaseSettings({"OPTIM.LR": 0.01, "TRAINER.COOP.W": 1.0, "LOSS.WEIGHT": 200.0}),
}


class Training(DasslTraining):
    node = "COOP"

    def __init__(self, *made: Any) -> None:
        super().__init__(*made)
        self.facts = {**self.facts, "divergence": made[2].LOSS.WEIGHT}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    counter = ModuleType("thop")
    vars(counter)["profile"] = lambda *_, **__: (0.0, 0.0)  # counts operations on an image of 224 pixels in every step
    sys.modules["thop"] = counter
    import_resized("trainers.clip_text.small_model", checkout / "trainers/clip_text/model.py", {8: 1})
    small = importlib.import_module("trainers.clip_text.small_model")
    vars(importlib.import_module("trainers.clip_text.clip"))["build_model"] = small.build_model
    import_resized("trainers.DeKg_TCP", checkout / "trainers/DeKg_TCP.py", {512: 64})
    options: list[object] = ["INPUT.SIZE", [32, 32], "DATASET.NAME", "OxfordPets", "TRAINER.COOP.PREC", "fp32"]
    options += ["TRAINER.COCOOP.PREC", "fp32", "TRAINER.COOP.N_CTX", 4]
    options += ["TRAINER.COOP.W", 8.0, "LOSS.WEIGHT", 6.0]  # as in scripts/run.sh
    for key, value in case.settings.items():
        options += [key, value]
    cfg = configuration(checkout / "configs/trainers/DeKg_TCP/vit_b16_ep100_ctxv1.yaml", options)
    return step_by_step(case, Training("trainers.DeKg_TCP", "DeKg_TCP", cfg, case, clip), start)
