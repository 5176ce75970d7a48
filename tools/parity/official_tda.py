"""TDA (kdiAAA/TDA): `run_test_tda`, which reads images one by one and keeps its logits to itself."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

import torch
from frozen_features import FrozenFeatures
from recording import CaseSettings, Weights, class_names
from torch import Tensor
from torch.nn import functional

SOURCE = "kdiAAA/TDA@e697fb0 tda_runner.py (run_test_tda), utils.py (get_clip_logits)"
TEMPLATE = "a photo of a {}."
UNUSED = ("wandb", "clip", "datasets", "datasets.imagenet", "datasets.utils")
"""Imported by the official files; nothing of them is run."""
POSITIVE = {"shot_capacity": 3, "alpha": 2.0, "beta": 5.0}
NEGATIVE = {"shot_capacity": 2, "alpha": 0.117, "beta": 1.0, "entropy": [0.2, 0.5], "mask": [0.03, 1.0]}
BUSY = {"shot_capacity": 1, "alpha": 4.0, "beta": 8.0}
"""Images are replaced in a cache of one, and every image enters the negative cache."""
BUSY_NEGATIVE = {"shot_capacity": 2, "alpha": 1.5, "beta": 2.0, "entropy": [-1.0, 2.0], "mask": [0.05, 0.6]}


def case(
    which: str, positive: Mapping[str, Any] | None, negative: Mapping[str, Any] | None, *, views: int = 0
) -> CaseSettings:
    """A case with these caches, where None leaves a cache out, and with further views of each image."""
    shown = {"views": views} if views else {}
    return CaseSettings({"positive": positive, "negative": negative, **shown}, train_classes=which, evaluated=(which,))


CASES = {
    "published": case("base", POSITIVE, NEGATIVE),
    "published_all": case("all", POSITIVE, NEGATIVE),
    "busy": case("all", BUSY, BUSY_NEGATIVE),
    "positive": case("all", BUSY, None),
    "negative": case("all", None, BUSY_NEGATIVE),
    "views": case("all", POSITIVE, BUSY_NEGATIVE, views=19),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Classify the stream of test images, then of training images."""
    del checkout, start
    with patch.dict(sys.modules, {name: MagicMock() for name in UNUSED}):
        official = importlib.import_module("tda_runner")
    return over_stream(case, clip, official, official.run_test_tda)


def over_stream(case: CaseSettings, clip: Weights, official: ModuleType, classify: Callable[..., Any]) -> Any:
    """What `classify(positive, negative, loader, model, texts)` of an official file finds on a stream of images."""
    names, frozen, found = class_names(case.train_classes), FrozenFeatures(clip), []
    count = 2 * len(names)
    features = torch.cat([frozen.images(part)[:count] for part in ("test", "train")])
    text = functional.normalize(frozen.texts([TEMPLATE.format(name.replace("_", " ")) for name in names]), dim=-1)
    order = torch.randperm(len(features), generator=torch.Generator().manual_seed(3))
    views = moved(features, case.settings.get("views", 0))
    label = torch.zeros(1, dtype=torch.long)
    shown = features.clone() if views is None else torch.cat([features[None], views])
    loader = [(shown[i : i + 1] if views is None else [*shown[:, i : i + 1].clone()], label) for i in order.tolist()]

    def kept(logits: Tensor, _: Tensor) -> float:
        found.append(logits.clone())
        return 0.0

    caches = [settings(case.settings[name]) for name in ("positive", "negative")]
    with patch.object(official, "cls_acc", kept):
        classify(*caches, loader, SimpleNamespace(encode_image=lambda x: x), text.T)
    tensors = {"features": features, "text": text, "order": order, f"logits/{case.train_classes}": torch.cat(found)}
    tensors |= {} if views is None else {"views": views}
    return tensors, {**case.settings, "template": TEMPLATE, "logit_scale": 100.0}


def moved(features: Tensor, n: int) -> Tensor | None:
    """Features of n views of each image, `(n, images, dim)`; the official code reads their pixels, which we draw."""
    if not n:
        return None
    noise = torch.randn(n, *features.shape, generator=torch.Generator().manual_seed(4))
    return features + 0.5 * features.std() * noise


def settings(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The official settings of a cache."""
    if given is None:
        return {"enabled": False}
    ranges = {f"{name}_threshold": given[name] for name in ("entropy", "mask") if name in given}
    return {"enabled": True, **given} | {k: {"lower": v[0], "upper": v[1]} for k, v in ranges.items()}
