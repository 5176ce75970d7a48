"""LDC (LiShuo1001/LDC): `Runner` trains, an epoch of one batch at a time, and `my_forward` tests.

The image tower must have at least seven blocks; those of the tiny CLIP are repeated three times.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from parity_kit import repeated_blocks
from recording import STEPS, CaseSettings, Weights, class_names, step_by_step
from torch import Tensor, nn

SOURCE = "LiShuo1001/LDC@b4273e6 ldc_train.py (Runner), clip_ldc/model.py (my_forward)"
TEMPLATES = ["a photo of a {}, a type of pet.", "itap of a {}."]
CASES = {
    "default": CaseSettings({"fuse_type": 2, "lr": 0.001}, evaluated=("base",)),
    "biglr_equal_shares": CaseSettings({"fuse_type": 1, "lr": 0.05}, "all", ("all",)),
}
HIDDEN = 32
"""Width of the largest perceptron; 2,048 numbers for each class and feature are too many to be stored."""


class OfficialTraining:
    """One official training that takes one step at a time."""

    def __init__(self, case: CaseSettings, clip: Weights) -> None:
        train: Any = importlib.import_module("ldc_train")
        model_code: Any = importlib.import_module("clip_ldc.model")
        train.Tools = SimpleNamespace(print=lambda *_: None, new_dir=lambda path: path)
        names = class_names(case.train_classes)

        def load(*_: Any, num_classes: int, config: Any, **__: Any) -> tuple[nn.Module, None]:
            model = model_code.build_model(repeated_blocks(clip), num_classes=num_classes, config=config).float()
            dim = model.text_projection.shape[1]
            model.visual.adapter["adapter_mlp"] = nn.Sequential(
                nn.Linear(dim, HIDDEN, bias=False), nn.BatchNorm1d(HIDDEN), nn.ReLU(inplace=True),
                nn.Linear(HIDDEN, num_classes, bias=False),
            )  # fmt: skip
            return model.eval(), None

        train.clip.load = load
        dataset = SimpleNamespace(classnames=names, template=TEMPLATES, train_x=[None] * STEPS, val=[None], test=[None])
        with TemporaryDirectory() as folder:
            config = SimpleNamespace(
                backbone="tiny", cache_dir=folder, dataset_name="pets", dataset=dataset, num_classes=len(names),
                batch_size=1, train_epoch=1, loss_lambda=[1.0] * 5, **case.settings,
            )  # fmt: skip
            self.runner = train.Runner(config)
        self.optimizer = self.runner.optimizer
        named = self.runner.clip_model.named_parameters()
        self.trained = {name: value for name, value in named if value.requires_grad}
        self.facts = {"templates": TEMPLATES, "hidden": HIDDEN, **case.settings}

    def step(self, pixels: Tensor, labels: Tensor) -> float:
        self.runner.train_loader = [(pixels, labels)]
        return float(self.runner.train_epoch(0))

    def logits(self, which: str, pixels: Tensor) -> Tensor:
        pixels = pixels[: 2 * len(class_names(which))]
        total: Tensor = self.runner.clip_model.eval().my_forward(pixels, self.runner.text_feats)[3]
        return total

    def extras(self) -> Mapping[str, Tensor]:
        model, found = self.runner.clip_model, {"text": self.runner.text_feats.T}
        running = {name: value for name, value in model.named_buffers() if "running" in name}
        return found | {f"running/{name}": value for name, value in running.items()}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    del checkout
    return step_by_step(case, OfficialTraining(case, clip), start)
