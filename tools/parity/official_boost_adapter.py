"""BoostAdapter (taolinzhang/BoostAdapter): `run_test_tda` in the mode of its script."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

from official_tda import BUSY, BUSY_NEGATIVE, NEGATIVE, POSITIVE, UNUSED, over_stream
from recording import CaseSettings, Weights
from torch import Tensor

SOURCE = "taolinzhang/BoostAdapter@9983e1a runner.py (run_test_tda), utils.py (get_clip_logits)"


def case(which: str, positive: Any, negative: Any, *, delta: int, views: int, **more: str) -> CaseSettings:
    """A case with these caches, this many views beside the plain one, and maybe the name of a dataset."""
    settings = {"positive": positive, "negative": negative, "delta": delta, "views": views, **more}
    return CaseSettings(settings, train_classes=which, evaluated=(which,))


CASES = {
    "published": case("base", POSITIVE, NEGATIVE, delta=3, views=39),
    "busy": case("all", BUSY, BUSY_NEGATIVE, delta=2, views=19),
    "no_delta": case("base", POSITIVE, BUSY_NEGATIVE, delta=0, views=19),
    "averaged": case("base", POSITIVE, BUSY_NEGATIVE, delta=1, views=29, dataset="imagenet_a"),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Classify the stream of test images, then of training images."""
    del checkout, start
    with patch.dict(sys.modules, {name: MagicMock() for name in (*UNUSED, "loguru", "IPython")}):
        official = importlib.import_module("runner")
    args = SimpleNamespace(mode="boostadapter", datasets="A" if "dataset" in case.settings else "eurosat")
    given = {"logger": MagicMock(), "args": args, "cfg": {"delta": case.settings["delta"]}}
    return over_stream(case, clip, official, partial(official.run_test_tda, **given))
