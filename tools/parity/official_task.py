"""What the official side of a comparison is given: our images in lists, and our weights as OpenAI's code reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from bench import RunContext, plan
from bench.experiment import load_task
from bench.sweep import local_weights
from datasets_registry import FewShotTask, Sample, few_shot_draws, image_sources
from methods import Backbone

Item = tuple[str, int, str]
"""Path of an image file, label, class name."""


def class_lists(protocol: str, *, backbone: str, root: Path, shots: int, seed: int) -> dict[str, dict[str, list[Item]]]:
    """The images of EuroSAT by the class sets of the protocol as CoOp's code names them, and by part."""
    tasks = {name: _task(name, backbone=backbone, root=root, shots=shots, seed=seed) for name in ("few-shot", protocol)}
    task, whole = tasks[protocol], tasks["few-shot"]
    first_set = "base" if protocol == "base-to-new" else "all"
    lists = {first_set: _parts(task, task.support.classes.names)}
    if first_set == "base":  # code that only evaluates still builds its lists of training images
        names = whole.support.classes.names
        first_new = len(few_shot_draws.class_halves(len(names))[0])
        every, new = _parts(whole, names), task.evals[1]
        lists["new"] = {
            part: [(path, label - first_new, name) for path, label, name in every[part] if label >= first_new]
            for part in ("train", "val")
        } | {"test": _items(new.images, new.samples, new.classes.names)}
    return lists


def _task(protocol: str, *, backbone: str, root: Path, shots: int, seed: int) -> FewShotTask:
    (spec,) = plan(
        "coop", "eurosat", backbone=backbone, protocol=protocol, shots=shots, seeds=[seed], data_root=root,
        runs=root / "runs",
    ).specs  # fmt: skip
    return load_task(spec, RunContext(data_root=root, weights=local_weights([backbone])))


def _parts(task: FewShotTask, names: Sequence[str]) -> dict[str, list[Item]]:
    parts = {"train": task.support, "val": task.validation, "test": task.evals[0]}
    return {part: _items(of.images, of.samples, names) for part, of in parts.items()}


def _items(images: image_sources.ImageFiles, samples: Sequence[Sample], names: Sequence[str]) -> list[Item]:
    return [(str(images.path(sample.key).absolute()), sample.label, names[sample.label]) for sample in samples]


def weights_file(backbone: Backbone, path: Path) -> Path:
    """The weights of a backbone with QuickGELU as a file that OpenAI's code loads."""
    torch.save({name: value.detach().cpu().float() for name, value in backbone.model.state_dict().items()}, path)
    return path
