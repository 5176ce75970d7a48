"""TransCLIP (MaxZanella/transduction-for-vlms): the numbers of `TransCLIP_solver` without labelled images.

Its code, under the AGPL, is not here. Its settings are constants, so the assignments after one round are recorded too.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from frozen_features import FrozenFeatures
from on_the_cpu import follow
from recording import CaseSettings, Weights, class_names
from torch import Tensor
from torch.nn import functional

SOURCE = "MaxZanella/transduction-for-vlms@6a9e8f3 TransCLIP_solver/TransCLIP.py (TransCLIP_solver)"
TEMPLATE = "a photo of a {}."
CASES = {
    "all_classes": CaseSettings({}, train_classes="all", evaluated=("all",)),
    "absent_classes": CaseSettings({}, train_classes="base", evaluated=("base",)),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """The final assignments of test and training images; with classes that no image shows if `base` was asked for."""
    del checkout, start
    official = importlib.import_module("TransCLIP_solver.TransCLIP")
    updated: list[Tensor] = []
    follow(official, "update_z", lambda z, *_: updated.append(z.clone()))
    names, frozen = class_names("all"), FrozenFeatures(clip)
    features = torch.cat(
        [frozen.images(part)[: 2 * len(class_names(case.train_classes))] for part in ("test", "train")]
    )
    text = functional.normalize(frozen.texts([TEMPLATE.format(name.replace("_", " ")) for name in names]), dim=-1)
    labels = torch.arange(len(features)) % len(names)  # only their number of classes is used
    found, _ = official.TransCLIP_solver(
        *(None,) * 4, functional.normalize(features, dim=-1), labels, text.T[None], verbose=False
    )
    tensors = {"features": features, "one_round": updated[1], f"logits/{case.train_classes}": found}
    return tensors, {"template": TEMPLATE, "logit_scale": 100.0}
