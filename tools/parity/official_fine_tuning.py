"""The two fine-tunings of ProLIP's repository (astra-vision/ProLIP): `FULLFT` and `LASTLAYERFT` train in one call.

The training loader gives the recorded batches, and the optimiser records its steps. The trained tensors of at most
`LARGEST` values are recorded; all others start at CLIP's weights too.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from on_the_cpu import accuracy
from parity_kit import images, resnet_backbone
from recording import CaseSettings, Weights, batches, class_names, logits, recording_optimizer
from torch import Tensor, nn
from torch.nn import functional

SOURCE = "astra-vision/ProLIP@b43e795 methods/Full_FT.py (FULLFT), methods/Last_Layer_FT.py (LASTLAYERFT)"
TEMPLATE = "a photo of a {}, a type of pet."
LARGEST = 2500
CASES = {
    "full_resnet": CaseSettings({"method": "FULLFT", "backbone": "RN50", "lr": 2e-4}),
    "full_vit": CaseSettings({"method": "FULLFT", "backbone": "ViT-B/16", "lr": 2e-4}),
    "last_block": CaseSettings({"method": "LASTLAYERFT", "backbone": "ViT-B/16", "lr": 1e-3}),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    package = ModuleType("prolip_methods")  # its own name is that of our package
    package.__path__ = [str(checkout / "methods")]
    settings = case.settings
    with patch.dict(sys.modules, {"prolip_methods": package}):
        files = {"FULLFT": "Full_FT", "LASTLAYERFT": "Last_Layer_FT"}
        official: Any = importlib.import_module(f"prolip_methods.{files[settings['method']]}")
    resnet, state = settings["backbone"] == "RN50", dict(clip)
    if resnet:
        state = {name: value for name, value in resnet_backbone().model.state_dict().items() if name != "attn_mask"}
        state |= {name: value for name, value in clip.items() if not name.startswith("visual.")}
    model: Any = importlib.import_module("clip.model").build_model(state).float()
    texts = {
        which: importlib.import_module("utils").clip_classifier(class_names(which), [TEMPLATE], model)[-1]
        for which in case.evaluated
    }
    found: dict[str, Tensor] = {}
    facts: dict[str, Any] = {}
    losses: list[float] = []

    def tested(which: str, pixels: Tensor) -> Tensor:
        """As the official test."""
        projection = model.visual.attnpool.c_proj if resnet else lambda pooled: pooled @ state["visual.proj"]
        return 100.0 * functional.normalize(projection(model.encode_image(pixels)), dim=-1) @ texts[which]

    def trained() -> dict[str, nn.Parameter]:
        """A vision transformer's own projection is not used, so it is not trained."""
        learned = {name: value for name, value in model.named_parameters() if value.requires_grad}
        return {name: value for name, value in learned.items() if value.numel() <= LARGEST and name != "visual.proj"}

    def cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
        loss = functional.cross_entropy(scores, labels)
        losses.append(float(loss.detach()))
        return loss

    optimizer = recording_optimizer(
        torch.optim.Adam, trained, lambda: logits("logits_before", case, tested), start, found, facts
    )
    words = SimpleNamespace(cross_entropy=cross_entropy, normalize=functional.normalize)
    cfg = {"train_epoch": 1, "dataset": "imagenet", "save_checkpoints": False} | dict(settings)
    train = [(images("train")[index], index // 2) for index in batches(case)]
    test = [(images("test"), torch.zeros(len(images("test")), dtype=torch.long))]
    parts = ("", "_v2", "_sketch", "_a", "_r")
    with patch.multiple(official, F=words, cls_acc=accuracy([])), patch.object(torch.optim, "Adam", optimizer):
        getattr(official, settings["method"])(cfg)(
            train_loader=train,
            val_loader=None,
            **{f"test_loader{part}": test for part in parts},
            **dict.fromkeys(("text_weights", "text_weights_a", "text_weights_r"), texts[case.train_classes]),
            text_weights_before=None,
            model=model,
            state_dict=state,
            classnames=class_names(case.train_classes),
            task=1,
            shots=2,
            config_file="",
            test_config_path="",
        )
    found |= logits("logits_after", case, tested)
    found |= {"batch_idx": batches(case), "loss": torch.tensor(losses, dtype=torch.float64)}
    return found, {"SETTINGS": dict(settings), "template": TEMPLATE, **facts}
