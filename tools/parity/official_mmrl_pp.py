"""MMRL++ (yunncheng/MMRL): trained classes are tested by the fused logits, others by the class token's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dassl_trainer import DasslTraining, configuration
from recording import CaseSettings, Weights, step_by_step
from torch import Tensor

SOURCE = "yunncheng/MMRL@27d8821 trainers/mmrlpp.py (MMRLpp.build_model, forward_backward; test of base and new)"
CASES = {
    "two_blocks": CaseSettings({"REP_LAYERS": [2, 3], "REP_DIM": 24, "N_REP_TOKENS": 3}),
    "three_blocks_little_new": CaseSettings(
        {"REP_LAYERS": [1, 2, 3], "REP_DIM": 16, "BETA": 0.3, "REG_WEIGHT": 4.0, "ALPHA": 0.4, "RES_LORA_DIM": 2}
    ),
    "biglr": CaseSettings({"REP_LAYERS": [2, 3], "REP_DIM": 24, "PROJ_LORA_DIM": 8, "OPTIM.LR": 0.02}),
}


class Training(DasslTraining):
    def tested(self, trainer: Any, which: str, pixels: Tensor) -> Tensor:
        by_class, _, fused, _, _ = trainer.model(pixels)
        found: Tensor = fused if which == "base" else by_class
        return found


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    options: list[object] = ["INPUT.SIZE", [32, 32], "DATASET.NAME", "OxfordPets", "TRAINER.MMRLpp.PREC", "fp32"]
    for key, value in case.settings.items():
        options += [key if "." in key else f"TRAINER.MMRLpp.{key}", value]
    cfg = configuration(checkout / "configs/trainers/MMRLpp/vit_b16.yaml", options)
    return step_by_step(case, Training("trainers.mmrlpp", "MMRLpp", cfg, case, clip), start)
