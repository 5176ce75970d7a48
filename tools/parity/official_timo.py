"""TIMO and TIMO-S (lyymuwu/TIMO): their functions, which read features. `cls_acc` keeps the logits that it is given."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from frozen_features import FrozenFeatures
from on_the_cpu import accuracy, follow
from recording import CaseSettings, Weights, class_names
from torch import Tensor
from torch.nn import functional

SOURCE = "lyymuwu/TIMO@75eca4c models.py (TIMO, GDA), utils.py (image_guide_text, image_guide_text_search, vec_sort)"
TEMPLATES = [
    "a photo of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
]
VIEWS = 2
"""The image and its mirror image."""


def case(dataset: str, which: str, *, search: bool) -> CaseSettings:
    """TIMO, or TIMO-S if it searches, with the official gamma of the dataset."""
    settings = {"dataset": dataset, "search": search}
    return CaseSettings(settings, train_classes=which, evaluated=(which,))


CASES = {
    "timo": case("dtd", "base", search=False),
    "timo_imagenet": case("imagenet", "base", search=False),
    "timo_flowers": case("oxford_flowers", "all", search=False),
    "timo_s": case("dtd", "base", search=True),
    "timo_s_all": case("dtd", "all", search=True),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Search on the test images, and test on them. Every second label is the text's guess, so that texts matter."""
    del checkout, start
    models, utils = importlib.import_module("models"), importlib.import_module("utils")
    tested: list[Tensor] = []
    fits: list[tuple[float, float]] = []
    plain = models.GDA
    models.cls_acc = accuracy(tested)
    follow(models, "GDA", lambda found, *_: fits.append((found[0], found[3])))
    frozen, names, search = FrozenFeatures(clip), class_names(case.train_classes), case.settings["search"]
    index = torch.arange(2 * len(names))
    labels = index // 2
    texts = torch.stack([frozen.texts([t.format(name.replace("_", " ")) for t in TEMPLATES]) for name in names])
    texts = functional.normalize(texts, dim=-1)
    views = torch.stack([frozen.images("train", mirrored=bool(i))[index] for i in range(VIEWS)])
    vectors = functional.normalize(views.flatten(0, 1), dim=-1)
    keys = functional.normalize(views.mean(dim=0), dim=-1)
    image = functional.normalize(torch.stack([keys[labels == c].mean(dim=0) for c in range(len(names))]), dim=-1)
    test = functional.normalize(frozen.images("test")[index], dim=-1)
    guess = (test @ functional.normalize(texts.mean(dim=1), dim=-1).T).argmax(dim=1)
    target = torch.where(index % 2 == 0, labels, guess)
    settings = {"dataset": case.settings["dataset"]}
    if search:
        text, scores = utils.image_guide_text_search(settings, texts, test, target, image)
    else:
        text, scores = utils.image_guide_text(settings, texts, image, return_matching=True)
        text = text.t()
    given = {"grid_search": True, "n_quick_search": 10} if search else {}
    pool = (vectors, labels.repeat(VIEWS).float())
    models.TIMO(settings, test, target, test, target, text, texts, scores, vecs_labels=pool, **given)
    models.GDA = plain
    best = max(range(len(fits)), key=lambda i: fits[i][1])
    tensors = {"image_idx": index, "target": target, "text": text.t(), "scores": scores}
    tensors |= {"with_alpha_10": tested[9 * best + 5], f"logits_after/{case.train_classes}": tested[-1]}
    facts = {"templates": TEMPLATES, "views": VIEWS, "searched_alphas": [alpha for alpha, _ in fits], "best_fit": best}
    return tensors, {**case.settings, **facts}
