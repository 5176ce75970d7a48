"""DePT (Koorye/DePT) on KgCoOp and on CoOp: the rates of host and head are recorded, which differ after the warm-up."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from dassl_trainer import DasslTraining, configuration
from recording import CaseSettings, Weights, class_names, step_by_step
from torch import Tensor

SOURCE = "Koorye/DePT@d4ff416 trainers/elp_kgcoop.py, trainers/elp_coop.py (build_model, forward_backward, forward)"
CASES = {
    "kgcoop": CaseSettings({}, facts={"host": "KgCoOp"}),
    "kgcoop_biglr": CaseSettings({"OPTIM.LR": 0.035, "TRAINER.COOP.W": 8.0}, facts={"host": "KgCoOp"}),
    "kgcoop_half_head": CaseSettings(
        {"TRAINER.LINEAR_PROBE.WEIGHT": 0.5, "OPTIM.LR_EXP": 2.0}, facts={"host": "KgCoOp"}
    ),
    "coop": CaseSettings({}, facts={"host": "CoOp"}),
}
FILES = {
    "KgCoOp": "configs/trainers/ExtrasLinearProbeKgCoOp/vit_b16_ep10_ctxv1_bs4_lr35.yaml",
    "CoOp": "configs/trainers/ExtrasLinearProbeCoOp/vit_b16_ep10_bs4_lr35.yaml",
}
UNUSED = ("bias_vectors", "meta_net")
"""Parts of KgCoOp's prompt learner that get no gradient."""


class Training(DasslTraining):
    node = "COOP"

    def __init__(self, *made: Any) -> None:
        super().__init__(*made)
        self.trained = {k: v for k, v in self.trained.items() if not any(part in k for part in UNUSED)}
        self.rates: list[list[float]] = []
        cfg = made[2]
        head = {"share": cfg.TRAINER.LINEAR_PROBE.WEIGHT, "rate": cfg.OPTIM.LR_EXP}
        self.facts = {**self.facts, "HEAD": head, "lr_of_groups_per_step": self.rates}

    def build(self, names: list[str]) -> Any:
        cfg = self.made[2].clone()
        cfg.DATASET.SUBSAMPLE_CLASSES = "base" if names == class_names("base") else "new"
        self.made = (*self.made[:2], cfg, self.made[3])
        return super().build(names)

    def step(self, pixels: Tensor, labels: Tensor) -> float:
        self.rates.append([group["lr"] for group in self.optimizer.param_groups])
        return super().step(pixels, labels)

    def logits(self, which: str, pixels: Tensor) -> Tensor:
        """As the official test: new classes are tested without the head, whose tensors are then not loaded."""
        other = self.build(class_names(which))
        own = dict(other.model.named_parameters())
        absent = {key for key, _ in self.trainer.model.named_parameters()} - set(own)
        if absent != (set() if which == "base" else {"linear_probe_proj.weight", "linear_probe_proj.bias"}):
            raise ValueError(f"the model for {which} classes lacks {sorted(absent)}")
        with torch.no_grad():
            for key, value in self.trainer.model.named_parameters():
                if key in own:
                    own[key].copy_(value)
        other.set_model_mode("eval")
        return self.tested(other, which, pixels)


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    plots = ModuleType("plotnine")
    vars(plots)["__all__"] = []
    sys.modules["plotnine"] = plots  # imported, and not used by these trainers
    host = case.facts["host"]
    options: list[object] = ["INPUT.SIZE", [32, 32], "DATASET.NAME", "OxfordPets", "TRAINER.COOP.PREC", "fp32"]
    for key, value in case.settings.items():
        options += [key, value]
    cfg = configuration(checkout / FILES[host], options)
    made = (f"trainers.elp_{host.lower()}", f"ExtrasLinearProbe{host}", cfg, case, clip)
    return step_by_step(case, Training(*made), start)
