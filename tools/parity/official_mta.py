"""MTA (MaxZanella/MTA): `solve_mta` on features of views, which it gets from a model."""

from __future__ import annotations

import importlib
import warnings
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from frozen_features import FrozenFeatures
from official_zero import TEMPLATE, of_views
from recording import CaseSettings, Weights, class_names
from torch import Tensor
from torch.nn import functional

SOURCE = "MaxZanella/MTA@cafafdf mta.py (solve_mta)"


def case(which: str, *, views: int, spread: float, quadratic: float = 4.0, entropic: float = 0.2) -> CaseSettings:
    """A case with that many views beside the plain one, which differ from it by noise of that size."""
    settings = {"views": views, "spread": spread, "quadratic": quadratic, "entropic": entropic}
    return CaseSettings(settings, train_classes=which, evaluated=(which,))


CASES = {
    "published": case("all", views=63, spread=1.0),
    "base": case("base", views=31, spread=2.0),
    "sharp": case("all", views=15, spread=1.5, quadratic=1.0, entropic=0.05),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """The logits of each test image's mode."""
    del checkout, start
    official = importlib.import_module("mta")
    names, frozen, s = class_names(case.train_classes), FrozenFeatures(clip), case.settings
    views = of_views(frozen.images("test")[: 2 * len(names) : 2], s["views"], s["spread"])
    texts = functional.normalize(frozen.texts([TEMPLATE.format(name.replace("_", " ")) for name in names]), dim=-1)
    args = Namespace(lambda_q=s["quadratic"], lambda_y=s["entropic"])

    def model(one: Tensor, *, features: bool) -> tuple[Tensor, Tensor, float]:
        assert features
        return functional.normalize(one, dim=-1), texts, 100.0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # autocast does nothing without a GPU
        found = torch.cat([official.solve_mta(model, views[:, i], args) for i in range(views.shape[1])])
    return {"features": views, f"logits/{case.train_classes}": found}, {**s, "template": TEMPLATE, "logit_scale": 100.0}
