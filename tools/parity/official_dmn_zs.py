"""DMN-ZS (YBZh/DMN): the stream of `direct_inference` without labelled images, whose probabilities are summed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from frozen_features import FrozenFeatures
from official_dmn import TEMPLATE, import_memory, model_of
from official_tda import moved
from recording import CaseSettings, Weights, case, class_names
from torch import Tensor
from torch.nn import functional

SOURCE = "YBZh/DMN@c6c218c dmn_main.py (DualMem, select_confident_samples, direct_inference)"

CASES = {
    "published": case("all", beta=5.5, size=50, share=1.0, views=31),
    "full_memory": case("base", beta=20.0, size=2, share=3.0, views=19),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """The logarithms of the summed probabilities of test images, then of training images, in a drawn order."""
    del checkout, start
    official, s = import_memory(), case.settings
    names, frozen = class_names(case.train_classes), FrozenFeatures(clip)
    features = torch.cat([frozen.images(part)[: 2 * len(names)] for part in ("test", "train")])
    order = torch.randperm(len(features), generator=torch.Generator().manual_seed(3))
    others = moved(features, int(s["views"]))
    assert others is not None
    model = model_of(frozen, names)
    size, (n, dim) = int(s["size"]), model.text_feat.shape
    model.memory_size, model.fixed_global_feat_vanilla = size, model.text_feat[:, None]
    model.image_feature_memory, model.image_feature_count = torch.zeros(n, size, dim), torch.zeros(n, 1).long()
    model.image_prediction_mem, model.image_entropy_mem = torch.zeros(n, size, n), torch.zeros(n, size)
    args = SimpleNamespace(indice=torch.arange(dim), shared_param=False, mapping="bias", position="all")
    memory = official.DualMem(args=args, beta=s["beta"], feat_dim=dim, class_num=n, mapping="bias")
    found = []
    with torch.no_grad():
        for i in order.tolist():
            shown = torch.cat([features[i : i + 1], others[:, i]])
            model.image_features_global = functional.normalize(shown, dim=-1)
            text = memory.get_text_prediction(model)
            confident = official.select_confident_samples(text, 0.1)[0]
            memory.init_pred = confident.mean(0, keepdim=True)
            memory.update_memory_bank(model, None)
            found.append((text[:1] + s["share"] * memory.get_image_pred(model)).log())
    tensors = {"features": features, "views": others, "order": order, f"logits/{case.train_classes}": torch.cat(found)}
    return tensors, {**s, "template": TEMPLATE, "logit_scale": 100.0}
