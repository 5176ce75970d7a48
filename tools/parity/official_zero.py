"""ZERO (FarinaMatteo/zero): its forward pass on features of views, which it computes from pixels."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

import torch
from frozen_features import FrozenFeatures
from recording import CaseSettings, Weights, case, class_names
from torch import Tensor
from torch.nn import functional

SOURCE = "FarinaMatteo/zero@c609f7c ttas/zero.py (Zero.zero), ttas/base.py (confidence_filter), utils/tools.py"
TEMPLATE = "a photo of a {}."
UNUSED = ("data.datautils", "data.imagenet_prompts", "data.cls_to_names", "clip.custom_clip", "utils.vis_utils")
"""Imported by the official files; nothing of them is run."""

CASES = {
    "published": case("all", views=63, selected=0.3, spread=1.0),
    "base": case("base", views=31, selected=0.3, spread=2.0),
    "ties": case("all", views=15, selected=0.3, spread=3.0),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Vote for the class of each test image."""
    del checkout, start
    with patch.dict(sys.modules, {name: MagicMock() for name in UNUSED}):
        official = importlib.import_module("ttas.zero").Zero
    names, frozen, s = class_names(case.train_classes), FrozenFeatures(clip), case.settings
    views = of_views(frozen.images("test")[: 2 * len(names) : 2], s["views"], s["spread"])
    texts = frozen.texts([TEMPLATE.format(name.replace("_", " ")) for name in names])
    model = SimpleNamespace(
        get_text_features=lambda: functional.normalize(texts, dim=-1),
        get_image_features=lambda one: functional.normalize(one, dim=-1),
        temp=0.01,
    )
    made = official.__new__(official)
    torch.nn.Module.__init__(made)
    made.__dict__.update(model=model, num_views=s["views"] + 1, gamma=s["selected"])
    votes = torch.cat([made.zero(views[:, i]) for i in range(views.shape[1])])
    return {"features": views, f"votes/{case.train_classes}": votes}, {**s, "template": TEMPLATE, "logit_scale": 100.0}


def of_views(features: Tensor, n: int, spread: float) -> Tensor:
    """Features of the plain view and n more, `(n + 1, images, dim)`, since the official code draws other views."""
    noise = torch.randn(n, *features.shape, generator=torch.Generator().manual_seed(4))
    return torch.cat([features[None], features + spread * features.std() * noise])
