"""CLIP-SVD (HealthX-Lab/CLIP-SVD): `run_training`, and `run_other_training`, which base-to-new uses.

Both train and test in one call. The training loader gives the recorded batches, and the optimiser records its steps.
"""

from __future__ import annotations

import importlib
import re
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from on_the_cpu import accuracy, follow
from parity_kit import images
from recording import STEPS, CaseSettings, Weights, batches, class_names, logits, recording_optimizer
from torch import Tensor, nn
from torch.nn import functional

SOURCE = "HealthX-Lab/CLIP-SVD@022b1ed train.py (run_training, run_other_training), svf_utils"
TEMPLATE = "a photo of a {}, a type of pet."
LARGE = {"function": "run_training", "lr": 5e-2, "n_iters": STEPS}
CASES = {
    "few_shot": CaseSettings({"function": "run_training", "lr": 5e-4, "n_iters": STEPS}),
    "base_to_new_wave": CaseSettings({"function": "run_other_training", "lr": 4e-4, "train_epochs": 2}),
    "biglr": CaseSettings(LARGE),
    "top_layers": CaseSettings(LARGE | {"include_train_layers": "top"}),
    "top_bottom_layers_low_rank": CaseSettings(LARGE | {"include_train_layers": "top_bottom", "rank": 0.4}),
}


def four_times(name: str) -> str:
    """A parameter's name with four times its block."""
    return re.sub(r"resblocks\.(\d+)", lambda found: f"resblocks.{4 * int(found[1])}", name)


class Batches:
    """The recorded batches as a loader; each epoch gives the next three."""

    def __init__(self, case: CaseSettings) -> None:
        self.left = list(batches(case))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        now, self.left = self.left[:3], self.left[3:]
        return iter([(images("train")[index], index // 2) for index in now])


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Train and test one case."""
    del checkout
    train: Any = importlib.import_module("train")
    official_clip: Any = importlib.import_module("clip")
    attention = importlib.import_module("svf_utils.PlainHeadAttention").PlainMultiHeadAttention
    # heads and widths are written for ViT-B/16: without arguments for images, with a width for texts
    train.PlainMultiHeadAttention = lambda **text: attention(64, 1) if text else attention(128, 2)
    train.cls_acc = accuracy([])
    set_trained = importlib.import_module("svf_utils.utils").set_clip_trainable_parameters

    def set_trained_of_three(args: Namespace, model: Any) -> None:
        """Blocks 0 to 2 of the tiny CLIP stand for 0 to 11, four each."""
        renamed = [(four_times(name), value) for name, value in model.named_parameters()]
        set_trained(args, SimpleNamespace(named_parameters=lambda: renamed))

    train.set_clip_trainable_parameters = set_trained_of_three
    model = importlib.import_module("clip.model").build_model(dict(clip)).float()
    decomposed: list[Any] = []
    resolver = train.resolver
    follow(train, "resolver", lambda made, *_: decomposed.append(made))
    found: dict[str, Tensor] = {}
    losses: list[float] = []
    facts: dict[str, Any] = {}

    def tested(which: str, pixels: Tensor) -> Tensor:
        texts = official_clip.tokenize([TEMPLATE.format(name.replace("_", " ")) for name in class_names(which)])
        text = functional.normalize(decomposed[0].encode_text(texts), dim=-1)
        return 100 * functional.normalize(decomposed[0].encode_image(pixels), dim=-1) @ text.T

    def trained() -> dict[str, nn.Parameter]:
        return {name: value for name, value in decomposed[0].named_parameters() if value.requires_grad}

    def cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
        loss = functional.cross_entropy(scores, labels)
        losses.append(float(loss.detach()))
        return loss

    given = {"model": "CLIP", "rank": 1.0, "eval_only": False, "include_train_layers": "all", "shots": 1}
    given |= {"weight_decay": 0.01, "save_path": None} | dict(case.settings)
    given |= {f"train_{part}": True for part in ("image_encoder", "text_encoder", "mlp", "q", "k", "v", "o_proj")}
    dataset = SimpleNamespace(template=TEMPLATE, classnames=class_names(case.train_classes))
    test = [(images("test"), torch.zeros(len(images("test")), dtype=torch.long))]
    plain, train.F = (torch.optim.AdamW, train.F, resolver), SimpleNamespace(cross_entropy=cross_entropy)
    torch.optim.AdamW = recording_optimizer(  # type: ignore[misc]
        torch.optim.AdamW, trained, lambda: logits("logits_before", case, tested), start, found, facts
    )
    try:
        getattr(train, given["function"])(Namespace(**given), model, 100, dataset, Batches(case), test, test)
    finally:
        torch.optim.AdamW, train.F, train.resolver = plain  # type: ignore[misc]
    found |= logits("logits_after", case, tested)
    found |= {"batch_idx": batches(case), "loss": torch.tensor(losses, dtype=torch.float64)}
    return found, {"SETTINGS": given, "template": TEMPLATE, **facts}
