"""Skip Tuning (Koorye/SkipTuning): each batch enters at the trained blocks, as the trainer's own loader gives it.

The rates of both towers are recorded, and trained tensors of at most 8192 values. The others start at CLIP's weights.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from dassl_trainer import DasslTraining
from recording import CaseSettings, Weights, step_by_step
from torch import Tensor

SOURCE = "Koorye/SkipTuning@8c4636e trainers/skip_tuning.py (SkipTuning.build_model, forward_backward, forward)"
SKIP = "TRAINER.SKIP."
CASES = {
    "all_classes": CaseSettings(
        {SKIP + "START_LAYER": 1, SKIP + "TOP_RATIO": 1.0, "OPTIM.LR": 2e-3, "OPTIM.NEW_LR": 5e-4}
    ),
    "few_classes": CaseSettings(
        {SKIP + "START_LAYER": 2, SKIP + "MAX_TOP": 4, SKIP + "LAMBDA": 2.0, "OPTIM.LR": 5e-3, "OPTIM.NEW_LR": 5e-4},
        train_classes="all",
        evaluated=("all",),
    ),
}
LARGEST = 8192


class Training(DasslTraining):
    node = "SKIP"

    def __init__(self, *made: Any) -> None:
        super().__init__(*made)
        self.trained = {name: value for name, value in self.trained.items() if value.numel() <= LARGEST}
        self.rates: list[list[float]] = []
        self.facts = {**self.facts, "lr_of_groups_per_step": self.rates}
        # what `before_train` computes
        with torch.no_grad():
            hidden, texts = self.trainer.extract_text_features()
        self.trainer.model.text_features = hidden
        self.trainer.model.class_prototypes = texts / texts.norm(dim=-1, keepdim=True)

    def step(self, pixels: Tensor, labels: Tensor) -> float:
        self.rates.append([group["lr"] for group in self.optimizer.param_groups])
        self.trainer.set_model_mode("train")
        with torch.no_grad():
            hidden, _ = self.trainer.model.forward_image_features(pixels)
        return float(self.trainer.forward_backward((hidden, labels))["loss"])

    def extras(self) -> Mapping[str, Tensor]:
        mask = self.trainer.model.reserve_mask
        return {} if mask is None else {"kept_ranks": mask}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    cfg = importlib.import_module("trainers._base_.config").get_cfg_default()
    importlib.import_module("train").extend_cfg(cfg)
    cfg.merge_from_file(str(checkout / "configs/trainers/SkipTuning/vit_b16_bs4.yaml"))
    options: list[object] = ["INPUT.SIZE", [32, 32], "DATASET.NAME", "OxfordPets", "TRAINER.PREC", "fp32"]
    for key, value in case.settings.items():
        options += [key, value]
    cfg.merge_from_list(options)
    cfg.TRAINER.NAME = "SkipTuning"
    return step_by_step(case, Training("trainers.skip_tuning", "SkipTuning", cfg, case, clip), start)
