"""TPT (azshue/TPT): its views, test loop and adaptation, which keep their logits to themselves."""

from __future__ import annotations

import importlib
import random
import sys
import warnings
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import packaging.version
import torch
import torchvision.transforms as transforms
from parity_kit import FOLDER, facts
from PIL import Image
from recording import CaseSettings, Weights, class_names
from safetensors.torch import load_file
from torch import Tensor

SOURCE = (
    "azshue/TPT@63ecbac tpt_classification.py (test_time_adapt_eval), clip/custom_clip.py, data/datautils.py (augmix)"
)
SIZE = 32
"""Pixels of the tiny CLIP's images."""
LEVELS = (0.6, -0.95)
"""At which the operations of AugMix are recorded."""


def case(which: str, dataset: str, *, images: int = 4, **settings: Any) -> CaseSettings:
    """A case with the views of the official dataset id, `I` for ImageNet; settings not given are the published ones."""
    published = {"views": 63, "selected": 0.1, "steps": 1, "lr": 5e-3}
    return CaseSettings(
        {**published, "dataset": dataset, "images": images, **settings}, train_classes=which, evaluated=(which,)
    )


CASES = {
    "augmix": case("base", "eurosat"),
    "crops": case("all", "I"),
    "biglr": case("all", "eurosat", views=15, selected=0.3, lr=0.05),
    "two_steps": case("base", "I", views=15, selected=0.3, steps=2, lr=0.02),
}


def run(
    checkout: Path,
    case: CaseSettings,
    clip: Weights,
    start: Mapping[str, Tensor],
    more: Mapping[str, object] = MappingProxyType({}),
    last: Sequence[object] = (),
) -> Any:
    """Adapt to each of some test images. The features of the views are recorded, since ours draw other views.

    `more` are further options and `last` further arguments of official code that extends this one.
    """
    del checkout, start
    sys.modules["pkg_resources"] = ModuleType("pkg_resources")  # setuptools has removed it
    vars(sys.modules["pkg_resources"])["packaging"] = packaging
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        official = importlib.import_module("tpt_classification")
        custom_clip = importlib.import_module("clip.custom_clip")
    s, names, found = case.settings, class_names(case.train_classes), []
    args = Namespace(
        gpu=0, tpt=True, cocoop=False, tta_steps=s["steps"], selection_p=s["selected"], print_freq=100, **more
    )

    def load(*_: object, **__: object) -> tuple[Any, int, None]:
        model = importlib.import_module("clip.model").build_model(dict(clip)).float()
        return model, model.text_projection.shape[1], None

    def kept(logits: Tensor, *_: object, **__: object) -> tuple[list[float], list[float]]:
        found.append(logits.clone())
        return [0.0], [0.0]

    with patch.object(custom_clip, "load", load), patch.object(official, "accuracy", kept), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # autocast and its scaler do nothing without a GPU
        model = official.get_coop("any", s["dataset"], "cpu", 4, "a_photo_of_a")
        model.reset_classnames(names, "any")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("prompt_learner" in name)
        optimizer = torch.optim.AdamW(model.prompt_learner.parameters(), s["lr"])
        scaler = torch.cuda.amp.GradScaler(init_scale=1000)
        loader = [([view[None] for view in image], torch.zeros(1, dtype=torch.long)) for image in shown(official, s)]
        with torch.no_grad():
            features = torch.stack([model.image_encoder(torch.cat(views)) for views, _ in loader], dim=1)
        initial = optimizer.state_dict()
        official.test_time_adapt_eval(loader, model, None, optimizer, initial, scaler, args, *last)
        unadapted = Namespace(**{**vars(args), "tta_steps": 0})
        official.test_time_adapt_eval(loader, model, None, optimizer, initial, scaler, unadapted, *last)
    adapted, plain = (torch.cat(found[i : i + len(loader)]) for i in (0, len(loader)))
    which = case.train_classes
    tensors = {"features": features, f"logits/{which}": adapted, f"logits_before/{which}": plain}
    tensors |= operations() if case is CASES["augmix"] else {}
    return tensors, {**s, "ctx_init": "a photo of a", "levels": LEVELS, "optimizer": {"class": "AdamW"}}


def test_images() -> Tensor:
    """Bytes of the recorded test images, `(20, 32, 32, 3)`."""
    return load_file(str(FOLDER / "data.safetensors"))["test_images_uint8"]


def operations() -> dict[str, Tensor]:
    """The first test image after each operation of AugMix at each level, as bytes."""
    ops = importlib.import_module("data.augmix_ops")
    image, found = Image.fromarray(test_images()[0].numpy()), {}
    for operation in ops.augmentations:
        shown = []
        for level in LEVELS:
            sign = float(level < 0)  # a draw above one half makes it negative
            with (
                patch.object(ops, "IMAGE_SIZE", SIZE),
                patch.object(ops, "sample_level", lambda _, level=level: abs(level)),
                patch.object(np.random, "uniform", lambda sign=sign: sign),
                patch.object(np.random, "random", lambda sign=sign: sign),
            ):
                shown.append(np.array(operation(image, 1)))
        found[f"operations/{operation.__name__}"] = torch.from_numpy(np.stack(shown))
    return found


def shown(official: Any, settings: Mapping[str, Any]) -> list[list[Tensor]]:
    """The official views of some test images, the plain one first; each is normalised."""
    augmentations = importlib.import_module("data.augmix_ops")
    data = importlib.import_module("data.datautils")
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    crop = transforms.RandomResizedCrop
    base = transforms.Compose([transforms.Resize(SIZE, interpolation=data.BICUBIC), transforms.CenterCrop(SIZE)])
    normalise = transforms.Normalize(facts()["mean"], facts()["std"])
    preprocess = transforms.Compose([transforms.ToTensor(), normalise])
    views = official.AugMixAugmenter(base, preprocess, settings["views"], augmix=len(settings["dataset"]) > 1)
    images = test_images()[: settings["images"]]
    with (
        patch.object(augmentations, "IMAGE_SIZE", SIZE),
        patch.object(transforms, "RandomResizedCrop", lambda size: crop(SIZE)),
    ):
        return [views(Image.fromarray(image.numpy())) for image in images]
