"""WiSE-FT (mlfoundations/wise-ft): its script averages the zero-shot model and a tuned one, whose weights are drawn."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from on_the_cpu import serve_weights
from parity_kit import tuned_image_tower
from recording import CaseSettings, Weights, class_names, logits
from torch import Tensor

SOURCE = "mlfoundations/wise-ft@58b7a4b src/wise_ft.py (wise_ft), src/models (ImageClassifier, get_zeroshot_classifier)"
CASES = {"recommended": CaseSettings({"alpha": 0.5}), "near_the_start": CaseSettings({"alpha": 0.2})}
PREFIX = "image_encoder.model."


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """Average one pair of models and test it."""
    del start
    # its own imports all data sets, and packages that they need
    datasets = sys.modules.setdefault("src.datasets", ModuleType("src.datasets"))
    datasets.__path__ = [str(checkout / "src" / "datasets")]
    parts: Any = importlib.import_module("src.models.modeling")
    averaging: Any = importlib.import_module("src.wise_ft")
    zero_shot: Any = importlib.import_module("src.models.zeroshot")
    alpha = case.settings["alpha"]

    def tested(which: str, pixels: Tensor) -> Tensor:
        dataset = SimpleNamespace(classnames=[name.replace("_", " ") for name in class_names(which)])
        datasets.Recorded = lambda *_, **__: dataset  # type: ignore[attr-defined]
        with TemporaryDirectory() as folder:
            weights, first, tuned = (Path(folder, name) for name in ("ViT-B-32.pt", "zeroshot.pt", "finetuned.pt"))
            torch.save(clip, weights)
            serve_weights(weights)
            args = SimpleNamespace(
                model="ViT-B/32", device="cpu", cache_dir=None, template="simple_template", train_dataset="Recorded",
                data_location="", batch_size=1, classnames="", load=[str(first), str(tuned)], save=folder, fisher=None,
                fisher_floor=1e-8, alpha=[alpha], eval_datasets=None,
            )  # fmt: skip
            encoder = parts.ImageEncoder(args, keep_lang=True)
            head = zero_shot.get_zeroshot_classifier(args, encoder.model)
            del encoder.model.transformer
            classifier = parts.ImageClassifier(encoder, head)
            classifier.save(str(first))
            changed = {f"{PREFIX}{name}": value for name, value in tuned_image_tower(clip).items()}
            classifier.load_state_dict(classifier.state_dict() | changed)
            classifier.save(str(tuned))
            averaging.wise_ft(args)
            averaged: Tensor = parts.ImageClassifier.load(str(Path(folder, f"wise_ft_alpha={alpha:.3f}.pt")))(pixels)
        return averaged

    return logits("logits_after", case, tested), {"alpha": alpha}
