"""What official code is given in place of its own files: lists of our images as files, and our weights as OpenAI's."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from bench.context import RunContext
from bench.experiment import declared_task, loaded_backbone, read_splits
from bench.extensions.forks.errors import OfficialCodeError
from bench.spec import ExperimentSpec
from datasets_registry import EvalProtocol, EvalSplit, FewShotTask, Images, Sample, few_shot_draws, image_sources
from methods import Backbone

_FOLDER = "etl-bench-official-"
Item = tuple[str, int, str]
"""Path of an image file, label, class name."""
ClassLists = dict[str, list[Item]]
"""Items by part: train, val, test."""


@cache
def process_folder() -> Path:
    """A folder for files of this process, which is removed when the process ends."""
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):  # of processes that were killed
        owner = left.name.removeprefix(_FOLDER).partition("-")[0]
        if owner.isdigit() and not _runs(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    place = tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-")
    atexit.register(place.cleanup)
    return Path(place.name)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def image_path(images: Images, key: str, dataset: str) -> Path:
    """The file of an image; one that is synthetic, packed or turned is written as a PNG file once per process."""
    if isinstance(images, image_sources.ImageFiles) and not images.decoding_rules(key):
        return images.path(key).absolute()
    name = hashlib.sha256(f"{dataset}\n{key}".encode()).hexdigest()[:24]
    path = process_folder() / "images" / f"{name}.png"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(image_sources.image_as_file(images, key))
        part.replace(path)
    return path


def class_lists(task: FewShotTask, spec: ExperimentSpec, context: RunContext) -> dict[str, ClassLists]:
    """The images of a task by the class sets that CoOp's code names: all, or base, new and (for the open score) all."""
    train, val = (
        _items(part.images, part.samples, part.classes.names, spec.dataset) for part in (task.support, task.validation)
    )
    if spec.protocol is not EvalProtocol.BASE_TO_NEW:
        return {"all": {"train": train, "val": val, "test": _of(task.evals[0], spec.dataset)}}
    base, new = task.evals
    whole = declared_task(spec.model_copy(update={"protocol": EvalProtocol.FEW_SHOT}), context)
    names, first = whole.support.classes.names, len(few_shot_draws.class_halves(len(whole.support.classes.names))[0])
    all_train, all_val = (
        _items(part.images, part.samples, names, spec.dataset) for part in (whole.support, whole.validation)
    )
    of_new = [
        [(path, label - first, name) for path, label, name in some if label >= first] for some in (all_train, all_val)
    ]
    tests = {"base": _of(base, spec.dataset), "new": _of(new, spec.dataset)}
    together = tests["base"] + [(path, label + first, name) for path, label, name in tests["new"]]
    return {
        "base": {"train": train, "val": val, "test": tests["base"]},
        "new": {"train": of_new[0], "val": of_new[1], "test": tests["new"]},
        "all": {"train": all_train, "val": all_val, "test": together},
    }


def target_lists(split: EvalSplit, dataset: str, context: RunContext) -> dict[str, ClassLists]:
    """The images of a target dataset. Code that only evaluates still builds its training list: one image per class."""
    first: dict[int, Sample] = {}
    splits = read_splits(dataset, context.data_root)
    for sample in (*splits.train, *splits.test):
        first.setdefault(sample.label, sample)
    some = [first[label] for label in sorted(first)]
    train = _items(splits.images, some, splits.class_names, dataset)
    return {"all": {"train": train, "val": [], "test": _of(split, dataset)}}


def _of(split: EvalSplit, dataset: str) -> list[Item]:
    return _items(split.images, split.samples, split.classes.names, dataset)


def _items(images: Images, samples: Sequence[Sample], names: Sequence[str], dataset: str) -> list[Item]:
    return [(str(image_path(images, one.key, dataset)), one.label, names[one.label]) for one in samples]


def served_weights(spec: ExperimentSpec, backbone: Backbone) -> Path:
    """The backbone's weights as a file that OpenAI's code loads, written once per process.

    Raises OfficialCodeError for a backbone that OpenAI's model class cannot hold.
    """
    if not backbone.spec.config.get("quick_gelu"):
        raise OfficialCodeError(
            f"{spec.backbone} was trained with GELU, and OpenAI's code, which official repositories copy, has "
            "QuickGELU only. Use weights of OpenAI or with QuickGELU."
        )
    state: dict[str, Any] = dict(backbone.model.state_dict())
    needed = ("visual.conv1.weight", "text_projection", "token_embedding.weight", "ln_final.weight", "logit_scale")
    if missing := [name for name in needed if name not in state]:
        raise OfficialCodeError(
            f"{spec.backbone} has no {missing[0]}, so OpenAI's code, which official repositories copy, cannot hold it."
        )
    path = process_folder() / f"{backbone.digest[:32]}.pt"
    if not path.exists():
        part = path.with_suffix(".part")
        torch.save({name: value.detach().cpu().float() for name, value in state.items()}, part)
        part.replace(path)
    return path


def backbone_of(spec: ExperimentSpec, context: RunContext) -> Backbone:
    """The backbone of a run, on the CPU, in this process's memory."""
    from bench.experiment import backbone_spec

    return loaded_backbone(backbone_spec(spec.backbone, context.weights), "cpu")
