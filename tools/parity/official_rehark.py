"""ReHARK (Jahid12012021/ReHARK): the function of that name, which reads features.

`optuna` is replaced: a study tries the settings of the case, in order, and keeps the first of the best.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from frozen_features import FrozenFeatures
from recording import CaseSettings, Weights, class_names
from torch import Tensor
from torch.nn import functional

SOURCE = "Jahid12012021/ReHARK@f5adc54 trainers/rehark.py (ReHARK)"
VALIDATION = list(range(0, 20, 2))
"""The first test image of every class."""
NAMES = (
    "beta1", "beta2", "mix_k", "lmbda", "soft", "var_adj", "alpha_txt", "refine_w", "blend_img", "scale_zs", "power",
)  # fmt: skip
TRIALS = [
    dict(zip(NAMES, values, strict=True))
    for values in (
        (30.0, 0.1, 0.9, 0.001, 0.0, 1.0, 0.0, 0.0, 2.0, 1.0, 0.5),
        (15.0, 2.5, 0.5, 0.07, 0.5, 0.5, 0.5, 0.5, 1.0, 10.0, 0.75),
        (3.0, 0.5, 0.2, 1.0, 1.0, 0.3, 0.8, 0.2, 0.3, 20.0, 0.9),
        (8.0, 1.0, 0.7, 0.2, 0.0, 0.0, 0.3, 0.9, 0.0, 5.0, 1.0),
    )
]


def case(which: str, views: int, tried: list[dict[str, float]]) -> CaseSettings:
    """A case that tries these settings."""
    templates = ["a photo of a {}, a type of pet.", "itap of a {}."]
    return CaseSettings({"views": views, "tried": tried, "templates": templates}, which, (which,))


CASES = {
    "two_views": case("base", 2, TRIALS[1:2]),
    "one_view": case("all", 1, TRIALS[2:3]),
    "not_moved": case("all", 2, TRIALS[3:]),
    "moved_fully": case("base", 1, TRIALS[:1]),
    "searched": case("all", 2, TRIALS),
}


def study_of(tried: list[dict[str, float]]) -> Any:
    """A study as `optuna.create_study` returns it."""
    found = SimpleNamespace(best_params={})

    def optimize(objective: Callable[[Any], float], **_: object) -> None:
        best = -1.0
        for values in tried:
            score = objective(SimpleNamespace(suggest_float=lambda name, *_, values=values, **__: values[name]))
            if score > best:
                best, found.best_params = score, values

    found.optimize = optimize
    return found


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Fit and test one case."""
    del checkout, start
    optuna = sys.modules["optuna"] = ModuleType("optuna")
    optuna.logging = SimpleNamespace(set_verbosity=lambda _: None, WARNING=0)  # type: ignore[attr-defined]
    official, given = importlib.import_module("trainers.rehark"), case.settings
    study = study_of(given["tried"])
    official.optuna.create_study = lambda **_: study
    frozen, names = FrozenFeatures(clip), class_names(case.train_classes)
    n = 2 * len(names)
    rows = torch.cat([frozen.images("train", mirrored=view % 2 == 1)[:n] for view in range(given["views"])])
    rows, test = functional.normalize(rows, dim=-1), functional.normalize(frozen.images("test")[:n], dim=-1)
    spoken = [name.replace("_", " ") for name in names]
    text, generic = (
        functional.normalize(
            torch.stack([functional.normalize(frozen.texts([t.format(one) for one in spoken]), dim=-1) for t in some])
            .mean(dim=0),
            dim=-1,
        )
        for some in (given["templates"], ["a photo of a {}."])
    )  # fmt: skip
    labels, seen = torch.arange(n) // 2, VALIDATION[: len(names)]
    logits = official.ReHARK(
        rows, labels.repeat(given["views"]), test[seen], labels[seen], test, text.T, generic, "", 2, 1, "ReHARK"
    )
    tensors = {"text": text, "generic": generic, "validation_idx": torch.tensor(seen)}
    return tensors | {f"logits_after/{case.train_classes}": logits}, {**given, "searched": study.best_params}
