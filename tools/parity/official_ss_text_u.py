"""SS-Text-U (jusiro/SS-Text-U): `sstext_u_solver`, which reads features, and the classifier that it fits."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from frozen_features import FrozenFeatures
from official_ss_text import ALL, SCALE, TEMPLATES, UNEQUAL, WITHOUT_A_CLASS
from recording import CaseSettings, Weights, class_names
from torch import Tensor
from torch.nn import functional

SOURCE = "jusiro/SS-Text-U@2af21ae libs/solvers/sstextu.py (sstext_u_solver), libs/archs/lp.py (LinearSoftmax)"
PUBLISHED = {"num_iters_mm": 3, "num_iters_ot": 10, "ratio_label_marginal_correction": 4}
"""As `libs/solvers/runner.py` calls the solver."""
OTHERS = {"num_iters_mm": 2, "num_iters_ot": 4, "ratio_label_marginal_correction": 2}


def case(images: tuple[int, ...], which: str = "base", **settings: Any) -> CaseSettings:
    """A case with these labelled images; the unlabelled ones are the mirror images of all images of the classes."""
    given = {"images": list(images), "normalise": True, "solver": PUBLISHED, **settings}
    return CaseSettings(given, train_classes=which, evaluated=(which,))


CASES = {
    "ss_text_u": case(ALL[:10:2]),
    "ss_text_u_all": case(ALL, "all"),
    "ss_text_u_not_normalised": case(ALL[:10:2], normalise=False),
    "ss_text_u_unequal": case(UNEQUAL),
    "ss_text_u_without_a_class": case(WITHOUT_A_CLASS),
    "ss_text_u_other_numbers": case(WITHOUT_A_CLASS, solver=OTHERS),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Solve and test one case."""
    del checkout, start
    solvers, heads = importlib.import_module("libs.solvers.sstextu"), importlib.import_module("libs.archs.lp")
    frozen, given, names = FrozenFeatures(clip), case.settings, class_names(case.train_classes)
    index = torch.tensor(given["images"])
    image, pool = frozen.images("train")[index], frozen.images("train", mirrored=True)[: 2 * len(names)]
    texts = torch.stack([frozen.texts([t.format(name.replace("_", " ")) for name in names]) for t in TEMPLATES])
    if given["normalise"]:
        image, pool, texts = (functional.normalize(part, dim=-1) for part in (image, pool, texts))
    text = texts.mean(dim=0)
    head = heads.LinearSoftmax(
        D=text.shape[1], C=len(names), norm=True, weights=text.numpy(), logit_scale=math.log(SCALE)
    )
    solvers.sstext_u_solver(
        image.numpy(), (index // 2).numpy(), head, pool.numpy(), classes=len(names), **given["solver"]
    )
    with torch.no_grad():
        logits = {f"logits_after/{case.train_classes}": head(frozen.images("test")[: 2 * len(names)], act=False)}
    tensors = {"text": text, "rows": head.prototypes.detach().clone(), "image_idx": index}
    return tensors | logits, {**given, "templates": TEMPLATES, "logit_scale": SCALE}
