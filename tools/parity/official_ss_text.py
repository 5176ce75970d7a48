"""SS-Text and SS-Text+ (jusiro/SS-Text): `ss_text_solver`, which reads features, and the adapter that classifies."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from frozen_features import FrozenFeatures
from recording import CaseSettings, Weights, class_names
from torch import Tensor
from torch.nn import functional

SOURCE = "jusiro/SS-Text@4ff4897 solvers/sstext.py (ss_text_solver), modeling/adapters/models.py (Adapter)"
SCALE = 20.0
TEMPLATES = ["a photo of a {}.", "a bad photo of the {}."]
ALL = tuple(range(20))
UNEQUAL = (0, 2, 3, 4, 5, 6, 8, 9)
"""Two images of the classes 1, 2 and 4, and one of the others."""
WITHOUT_A_CLASS = (0, 1, 2, 6, 7, 8)
"""No image of class 2."""


def case(images: tuple[int, ...], solver: dict[str, Any], which: str = "base", **settings: Any) -> CaseSettings:
    """A case with these training images and these arguments of the official solver."""
    given = {"images": list(images), "normalise": True, "solver": solver, **settings}
    return CaseSettings(given, train_classes=which, evaluated=(which,))


PLAIN, PLUS = {"balanced_importance": True, "repel": False}, {"balanced_importance": False, "repel": True}
CASES = {
    "ss_text": case(ALL[:10], PLAIN),
    "ss_text_plus": case(ALL[:10], PLUS),
    "ss_text_all": case(ALL, PLAIN, "all"),
    "ss_text_plus_all": case(ALL, PLUS, "all"),
    "ss_text_not_normalised": case(ALL[:10], PLAIN, normalise=False),
    "ss_text_plus_not_normalised": case(ALL[:10], PLUS, normalise=False),
    "ss_text_unequal": case(UNEQUAL, PLAIN),
    "ss_text_plus_unequal": case(UNEQUAL, PLUS),
    "ss_text_plus_without_a_class": case(WITHOUT_A_CLASS, PLUS),
    "ss_text_zero_shot_weight": case(WITHOUT_A_CLASS, {"text_lambda": "adaptive_perf", **PLAIN}),
    "ss_text_fixed_weight": case(UNEQUAL, {"text_lambda": "fixed", **PLAIN}),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Solve and test one case."""
    del checkout, start
    adapters, solvers = importlib.import_module("modeling.adapters.models"), importlib.import_module("solvers.sstext")
    frozen, given, names = FrozenFeatures(clip), case.settings, class_names(case.train_classes)
    index = torch.tensor(given["images"])
    image = frozen.images("train")[index]
    texts = torch.stack([frozen.texts([t.format(name.replace("_", " ")) for name in names]) for t in TEMPLATES])
    if given["normalise"]:
        image, texts = functional.normalize(image, dim=-1), functional.normalize(texts, dim=-1)
    adapter = adapters.Adapter(texts.mean(dim=0), math.log(SCALE))
    before, test = adapter.adapter.prototypes.detach().clone(), frozen.images("test")[: 2 * len(names)]
    solvers.ss_text_solver(image, index // 2, adapter, classes=range(len(names)), **given["solver"])
    with torch.no_grad():
        logits = {f"logits_after/{case.train_classes}": adapter(test)}
    tensors = {"text": before, "rows": adapter.adapter.prototypes.detach().clone(), "image_idx": index}
    return tensors | logits, {**given, "templates": TEMPLATES, "logit_scale": SCALE}
