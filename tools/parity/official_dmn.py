"""DMN (YBZh/DMN): the static memory of `DualMem`, trained as in `direct_inference`, and its probabilities summed."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

import torch
from frozen_features import FrozenFeatures
from recording import STEPS, CaseSettings, Weights, case, class_names, step_by_step
from torch import Tensor, nn
from torch.nn import functional

SOURCE = "YBZh/DMN@c6c218c dmn_main.py (DualMem, direct_inference)"
TEMPLATE = "a photo of a {}."
UNUSED = (
    "ipdb", "clip.fix_clip", "data.imagnet_prompts", "data.datautils", "data.cls_to_names", "data.fewshot_datasets",
    "data.imagenet_variants",
)  # fmt: skip
"""Imported by the official file; nothing of them is run."""
TRAINED = ("global_bias", "global_bias_key", "global_bias_value", "global_ffn_bias", "text_bias")
"""The parameters that get a gradient."""

CASES = {
    "published": case("all", beta=5.5, lr=1e-4, share=1.0),
    "base": case("base", beta=5.5, lr=1e-3, share=10.0),
    "sharp": case("base", beta=20.0, lr=0.01, share=0.3),
}


def import_memory() -> Any:
    """The official file, without what it does not run here."""
    with patch.dict(sys.modules, {name: MagicMock() for name in UNUSED}):
        return importlib.import_module("dmn_main")


def model_of(frozen: FrozenFeatures, names: Sequence[str]) -> SimpleNamespace:
    """What the official memory reads of its CLIP: class texts and the logit scale."""
    text = functional.normalize(frozen.texts([TEMPLATE.format(name.replace("_", " ")) for name in names]), dim=-1)
    return SimpleNamespace(text_feat=text, image_feature_memory=text, logit_scale=torch.tensor(math.log(100.0)))


class Training:
    """The official memory, loss and optimiser."""

    def __init__(self, official: Any, case: CaseSettings, clip: Weights) -> None:
        self.frozen, self.settings = FrozenFeatures(clip), case.settings
        names = class_names(case.train_classes)
        self.model = model_of(self.frozen, names)
        text = self.model.text_feat
        shots = functional.normalize(self.frozen.images("train")[: 2 * len(names)], dim=-1).reshape(len(names), 2, -1)
        self.model.fixed_global_feat = torch.cat([text[:, None], shots], dim=1)
        beta, channels = case.settings["beta"], torch.arange(text.shape[1])
        args = SimpleNamespace(indice=channels, shared_param=False, mapping="bias", position="all", beta=beta)
        self.memory = official.DualMem(
            args=args, beta=beta, feat_dim=text.shape[1], class_num=len(names), mapping="bias"
        )
        self.criterion = official.SmoothCrossEntropy()
        own = dict(self.memory.named_parameters())
        self.trained: Mapping[str, nn.Parameter] = {name: own[name] for name in TRAINED}
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            self.memory.parameters(), lr=case.settings["lr"], eps=1e-8, weight_decay=1e-4
        )
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, STEPS, eta_min=1e-7)
        self.facts = {**case.settings, "template": TEMPLATE, "logit_scale": 100.0}

    def show(self, pixels: Tensor) -> None:
        with torch.no_grad():
            features = self.frozen.model.encode_image(pixels)  # type: ignore[operator]
        self.model.image_features_global = functional.normalize(features, dim=-1)

    def step(self, pixels: Tensor, labels: Tensor) -> float:
        self.show(pixels)
        memory = self.memory.get_image_pred_fewshot_global(self.model, return_full=True, return_logit=True)
        text = self.memory.get_text_prediction(self.model, return_full=True, return_logit=True)
        loss = self.criterion(memory, labels) + self.criterion(text, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        return float(loss.item())

    def logits(self, which: str, pixels: Tensor) -> Tensor:
        self.show(pixels[: 2 * len(class_names(which))])
        memory = self.memory.get_image_pred_fewshot_global(self.model, return_full=True)
        return (self.memory.get_text_prediction(self.model) + self.settings["share"] * memory).log()

    def extras(self) -> Mapping[str, Tensor]:
        return {}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    del checkout
    return step_by_step(case, Training(import_memory(), case, clip), start)
