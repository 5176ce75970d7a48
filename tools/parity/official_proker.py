"""ProKeR (omarnust/BReg-Adapter): the function of that name, which reads features, and its grid search."""

from __future__ import annotations

import contextlib
import importlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import torch
from frozen_features import FrozenFeatures
from on_the_cpu import accuracy
from recording import CaseSettings, Weights, class_names
from torch import Tensor
from torch.nn import functional

SOURCE = "omarnust/BReg-Adapter@c89ce54 trainers/proker.py (ProKeR)"
CONFIGS = "configs/RN50/configs_proker"
VALIDATION = list(range(0, 20, 2))
"""The first test image of every class."""


def case(which: str, views: int, dataset: str, shots: int, hp_selection: str, templates: list[str]) -> CaseSettings:
    """A case with these arguments of the official function."""
    official = {"dataset": dataset, "shots": shots, "seed": 1, "hp_selection": hp_selection}
    settings = {"views": views, "templates": templates, "official": official}
    return CaseSettings(settings, train_classes=which, evaluated=(which,))


PET, PHOTOS = ["a photo of a {}, a type of pet."], ["a photo of a {}.", "itap of a {}."]
CASES = {
    "imagenet_values_1": case("base", 1, "oxford_pets", 1, "imagenet", PET),
    "imagenet_values_2": case("all", 2, "oxford_pets", 2, "imagenet", PET),
    "imagenet_values_16": case("all", 3, "imagenet", 16, "imagenet", PHOTOS),
    "searched_pets": case("all", 2, "oxford_pets", 2, "coop", PET),
    "searched_cars": case("all", 2, "stanford_cars", 2, "coop", PHOTOS),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Fit and test one case in a folder of its own, since the search writes what it finds."""
    del start
    sys.modules.setdefault("clip", ModuleType("clip"))  # imported, and not used here
    official, given = importlib.import_module("trainers.proker"), case.settings
    official.cls_acc = accuracy([])
    frozen, names = FrozenFeatures(clip), class_names(case.train_classes)
    n = 2 * len(names)
    rows = torch.cat([frozen.images("train", mirrored=view % 2 == 1)[:n] for view in range(given["views"])])
    rows, test = functional.normalize(rows, dim=-1), functional.normalize(frozen.images("test")[:n], dim=-1)
    texts = [frozen.texts([t.format(name.replace("_", " ")) for name in names]) for t in given["templates"]]
    text = functional.normalize(torch.stack([functional.normalize(one, dim=-1) for one in texts]).mean(dim=0), dim=-1)
    labels, seen = (torch.arange(n) // 2).repeat(given["views"]), VALIDATION[: len(names)]
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copytree(checkout / CONFIGS, CONFIGS)
        values = given["official"]
        found = Path(CONFIGS, values["dataset"], f"seed{values['seed']}_shots{values['shots']}.json")
        found.unlink(missing_ok=True)
        logits = official.ProKeR(rows, labels, test[seen], (torch.arange(n) // 2)[seen], test, text.T, **values)
        config = {"searched": json.loads(found.read_text()) if found.exists() else None}
    tensors = {"rows": rows, "text": text, "validation_idx": torch.tensor(seen)}
    return tensors | {f"logits_after/{case.train_classes}": logits}, {**given, **config}
