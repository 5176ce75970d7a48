"""APEX (YangYongJin/APEX) with other initial words than the published ones, which its class distances then use."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from dassl_trainer import DasslTraining, configuration
from on_the_cpu import follow
from recording import CaseSettings, Weights, class_names, step_by_step
from torch import Tensor, nn

SOURCE = "YangYongJin/APEX@9f7f4b4 trainers/apex.py (APEX.build_model, forward_backward, CustomCLIP.init_coeff)"
CASES = {
    "image_showing": CaseSettings({"CTX_INIT": "an image showing #."}),
    "three_tokens": CaseSettings({"CTX_INIT": "the texture of some #.", "N_CTX_TEXT": 3}),
}
REFERENCE = "clip_model_temp."


class Training(DasslTraining):
    def __init__(self, *made: Any) -> None:
        super().__init__(*made)
        self.trained = {key: value for key, value in self.trained.items() if not key.startswith(REFERENCE)}
        self.distances: dict[str, Tensor] = {}

    def logits(self, which: str, pixels: Tensor) -> Tensor:
        """As the official test: a trainer of those names that knows the trained texts, which its checkpoint holds."""
        other = self.build(class_names(which))
        learner, trained = other.model.prompt_learner, self.trainer.model.prompt_learner
        learner.trained_tokenized_prompts = trained.trained_tokenized_prompts
        own = dict(other.model.named_parameters())
        with torch.no_grad():
            for key, value in self.trainer.model.named_parameters():
                own[key].copy_(value)
        other.set_model_mode("eval")
        found = self.tested(other, which, pixels)
        self.distances[f"distances/{which}/d_avg"] = other.model.diff_avg[:, 0]
        self.distances[f"distances/{which}/d_nn"] = other.model.diff_nn[:, 0]
        return found

    def extras(self) -> Mapping[str, Tensor]:
        prompts = {
            f"reference_prompts/{key.removeprefix(REFERENCE)}": value
            for key, value in self.trainer.model.named_parameters()
            if key.startswith(REFERENCE) and "VPT" in key
        }
        return prompts | self.distances


def resize(model: Any) -> None:
    """The adapter at the size of the tiny CLIP: the identity and a zero bias."""
    model.VPT_adapter_text_matrix = nn.Parameter(torch.eye(64))
    model.VPT_adapter_text_bias = nn.Parameter(torch.zeros(1, 64))


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    model = importlib.import_module("trainers.apex").CustomCLIP
    if not hasattr(model.__init__, "__wrapped__"):  # its adapter is written for 512 features
        follow(model, "__init__", lambda _, made, *args: resize(made))
    options: list[object] = ["INPUT.SIZE", [32, 32], "DATASET.NAME", "OxfordPets", "TRAINER.APEX.PREC", "fp32"]
    options += ["TRAINER.APEX.PROMPT_DEPTH_VISION", 3]
    for key, value in case.settings.items():
        options += [f"TRAINER.APEX.{key}", value]
    cfg = configuration(checkout / "configs/trainers/APEX/vit_b16_c2_ep15_batch16_2+2ctx.yaml", options)
    return step_by_step(case, Training("trainers.apex", "APEX", cfg, case, clip), start)
