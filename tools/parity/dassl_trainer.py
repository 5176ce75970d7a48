"""An official trainer of the Dassl family without its data: its model, step, optimiser and schedule run as they are."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import torch
from on_the_cpu import serve_weights
from recording import CaseSettings, class_names
from torch import Tensor, nn


def configuration(config_file: Path, options: Sequence[object]) -> Any:
    """The official settings of a file, changed by `options` (name, value, ...)."""
    from dassl.config import get_cfg_default

    cfg = get_cfg_default()
    importlib.import_module("train").extend_cfg(cfg)
    cfg.merge_from_file(str(config_file))
    cfg.merge_from_list(list(options))
    return cfg


def import_resized(module: str, path: Path, sizes: Mapping[int, int]) -> None:
    """Import a module whose text has sizes of ViT-B/16 as literals, with those of the tiny CLIP in their place."""
    if module in sys.modules:
        return
    text = path.read_text(encoding="utf-8")
    for published, ours in sizes.items():
        text = re.sub(rf"\b{published}\b", str(ours), text)
    spec = importlib.util.spec_from_file_location(module, path)
    assert spec is not None
    made = importlib.util.module_from_spec(spec)
    importlib.import_module(module.rpartition(".")[0])
    sys.modules[module] = made
    exec(compile(text, str(path), "exec"), made.__dict__)


class DasslTraining:
    """One training; subclasses say how the official test turns the model's output into logits.

    Args:
        module: of the trainer class `name`.
        cfg: the official settings.
        clip: CLIP's weights by OpenAI's names.

    Attributes:
        node: name of its settings in `cfg.TRAINER`, if it is not that of the class.
    """

    node = ""

    def __init__(self, module: str, name: str, cfg: Any, case: CaseSettings, clip: dict[str, Tensor]) -> None:
        self.made = (module, name, cfg, clip)
        self.trainer = self.build(class_names(case.train_classes))
        self.trained: Mapping[str, nn.Parameter] = {
            key: value for key, value in self.trainer.model.named_parameters() if value.requires_grad
        }
        self.optimizer = self.trainer.optim
        node = self.node or name
        self.facts: Mapping[str, Any] = {
            "OPTIM": _settings(cfg.OPTIM),
            node.upper(): _settings(getattr(cfg.TRAINER, node, None) or getattr(cfg.TRAINER, node.upper())),
        }

    def build(self, names: list[str]) -> Any:
        """The official trainer for these class names, without its constructor."""
        module, name, cfg, clip = self.made
        trainer_class = getattr(importlib.import_module(module), name)
        trainer = trainer_class.__new__(trainer_class)
        dataset = SimpleNamespace(classnames=names, num_classes=len(names))
        values = {"cfg": cfg, "device": torch.device("cpu"), "dm": SimpleNamespace(dataset=dataset)}
        values |= {"batch_idx": 0, "num_batches": 1, "epoch": 0, "max_epoch": cfg.OPTIM.MAX_EPOCH}
        values |= {"_models": OrderedDict(), "_optims": OrderedDict(), "_scheds": OrderedDict()}
        trainer.__dict__.update(values)
        with TemporaryDirectory() as folder:
            path = Path(folder, "clip.pt")
            torch.save(clip, path)
            serve_weights(path)
            trainer.build_model()
        return trainer

    def step(self, pixels: Tensor, labels: Tensor) -> float:
        self.trainer.set_model_mode("train")
        return float(self.trainer.forward_backward({"img": pixels, "label": labels})["loss"])

    def logits(self, which: str, pixels: Tensor) -> Tensor:
        """Logits of a second trainer with those class names and the trained tensors, as the official test builds it."""
        other = self.build(class_names(which))
        own = dict(other.model.named_parameters())
        with torch.no_grad():
            for key, value in self.trainer.model.named_parameters():
                own[key].copy_(value)
        other.set_model_mode("eval")
        return self.tested(other, which, pixels)

    def tested(self, trainer: Any, which: str, pixels: Tensor) -> Tensor:
        """The logits that the official test takes from the model's output."""
        found: Tensor = trainer.model(pixels)
        return found

    def extras(self) -> Mapping[str, Tensor]:
        return {}


def _settings(node: Any) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in dict(node).items()}
