"""StatA (MaxZanella/StatA): the numbers of `StatA_solver` on features. Its code, under the AGPL, is not here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from frozen_features import FrozenFeatures
from recording import CaseSettings, Weights, case, class_names
from torch import Tensor
from torch.nn import functional

SOURCE = "MaxZanella/StatA@eea8637 solvers/StatA.py (StatA_solver)"
TEMPLATE = "a photo of a {}."

CASES = {
    "published": case("all", alpha=1, lambda_laplacian=1),
    "anchored": case("all", alpha=4, lambda_laplacian=2),
    "one_round": case("all", max_iter=1),
    "absent_classes": case("base", alpha=0.5, lambda_laplacian=1),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """The final assignments of test and training images; with classes that no image shows if `base` was asked for."""
    del start
    package = ModuleType("solvers")
    package.__path__ = [str(checkout / "solvers")]  # its other solvers need packages that this one does not
    with patch.dict(sys.modules, {"solvers": package}):
        official = importlib.import_module("solvers.StatA")
    names, frozen = class_names("all"), FrozenFeatures(clip)
    images = torch.cat([frozen.images(part) for part in ("test", "train")])
    shown = 2 * len(class_names(case.train_classes))
    features = images.reshape(2, 20, -1)[:, :shown].flatten(0, 1)
    text = functional.normalize(frozen.texts([TEMPLATE.format(name.replace("_", " ")) for name in names]), dim=-1)
    _, found = official.StatA_solver(
        functional.normalize(features, dim=-1), torch.zeros(len(features)), text.T[None], **case.settings
    )
    return {"features": features, f"logits/{case.train_classes}": found}, {
        **case.settings,
        "template": TEMPLATE,
        "logit_scale": 100.0,
    }
