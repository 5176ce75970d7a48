"""DeKg (cnunlp/DeKg) on KgCoOp."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dassl_trainer import DasslTraining, configuration
from recording import CaseSettings, Weights, step_by_step
from torch import Tensor

SOURCE = "cnunlp/DeKg@b8f2f1c trainers/DeKg.py (DeKg.build_model, forward_backward, forward), trainers/loss.py"
CASES = {
    "published": CaseSettings({}),
    "much_divergence": CaseSettings({"OPTIM.LR": 0.05, "TRAINER.COOP.W": 1.0, "LOSS.WEIGHT": 200.0}),
    "random_start": CaseSettings({"TRAINER.COOP.CTX_INIT": False, "TRAINER.COOP.N_CTX": 3, "LOSS.WEIGHT": 20.0}),
}


class Training(DasslTraining):
    node = "COOP"

    def __init__(self, *made: Any) -> None:
        super().__init__(*made)
        self.facts = {**self.facts, "divergence": made[2].LOSS.WEIGHT}

    def tested(self, trainer: Any, which: str, pixels: Tensor) -> Tensor:
        found: Tensor = trainer.model_inference(pixels)
        return found


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    options: list[object] = ["INPUT.SIZE", [32, 32], "DATASET.NAME", "OxfordPets", "TRAINER.COOP.PREC", "fp32"]
    options += ["TRAINER.COOP.W", 8.0, "LOSS.WEIGHT", 6.0]  # as in scripts/run.sh
    for key, value in case.settings.items():
        options += [key, value]
    cfg = configuration(checkout / "configs/trainers/DeKg/vit_b16_ep100_ctxv1.yaml", options)
    return step_by_step(case, Training("trainers.DeKg", "DeKg", cfg, case, clip), start)
