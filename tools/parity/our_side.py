"""The same training in this project: an ordinary run whose trained tensors start at the recorded official ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from comparison_jobs import SHOTS, Comparison
from recorded_run import RecordedRun, recorded_run
from stopwatch import between, now, warm_up
from torch import Tensor
from tuned_teacher import TunedTeacher

from bench import RunContext, plan
from bench.experiment import runner
from bench.experiment.features import frozen_features, inputs
from bench.experiment.features.views import CENTER_VIEW
from bench.sweep import local_weights
from methods import TrainableMethod, get_method


def recipe_of(optim: Mapping[str, Any] | None, steps: int) -> dict[str, object]:
    """Our recipe for an official `OPTIM` node, one step an epoch; None: the method's own recipe."""
    common = {"epochs": steps, "steps_per_shot": 0, "batch_size": 0, "augment": False}
    if optim is None:
        return common
    linear = optim["WARMUP_TYPE"] == "linear"
    return common | {
        "optimizer": optim["NAME"], "lr": optim["LR"], "momentum": optim["MOMENTUM"],
        "weight_decay": optim["WEIGHT_DECAY"], "warmup": optim["WARMUP_TYPE"], "warmup_epochs": optim["WARMUP_EPOCH"],
        "warmup_lr": optim["WARMUP_MIN_LR"] if linear else optim["WARMUP_CONS_LR"],
    }  # fmt: skip


def run_ours(
    one: Comparison,
    official: Mapping[str, Any],
    *,
    backbone: str,
    seed: int,
    steps: int,
    root: Path,
    runs: Path,
    teacher: TunedTeacher | None = None,
    noise: int = 0,
) -> tuple[RecordedRun, tuple[float, float]]:
    """Train and test our method from the official initial tensors; `noise` above 0 seeds a change like rounding.

    It multiplies all frozen weights by 1 + 3e-7 N(0, 1), as the comparison with the plain re-implementation does. Also
    returns the CPU seconds and the seconds of the training.
    """

    def before_training(method: TrainableMethod[Any]) -> None:
        copy_tensors(one, method, official)
        one.given(method, official)
        if "order" in official:
            follow_order(method, json.loads(str(official["order"])))
        generator = torch.Generator().manual_seed(noise)
        for weight in method.backbone.model.parameters() if noise else ():
            weight.data.mul_(1 + 3e-7 * torch.randn(weight.shape, generator=generator))

    optim = json.loads(str(official["optim"])) if "optim" in official else None
    recipe = recipe_of(optim, steps) | ({"lr": one.lr} if one.lr else {}) if one.trains else {}
    values = {**{f"recipe.{name}": value for name, value in recipe.items()}, **one.settings}
    learned = {} if teacher is None else {"teacher": teacher.model, "unlabelled": "train"}
    (spec,) = plan(
        one.method, "eurosat", backbone=backbone, protocol=one.protocol, shots=SHOTS, seeds=[seed], data_root=root,
        runs=runs, settings={f"{one.method}.{name}": value for name, value in values.items()}, **learned,
    ).specs  # fmt: skip
    backbones = [backbone] if teacher is None else [backbone, teacher.backbone]
    files = {} if teacher is None else teacher.files
    context = RunContext(data_root=root, weights=local_weights(backbones), files=files)
    for stored in (inputs.load_inputs, inputs.loaded_backbone):
        stored.cache_clear()  # no features of an earlier run, nor its changed weights
    # Methods that look at augmented views before the training see the whole image, as the official side does.
    with patch.object(inputs, "views_for_epoch", lambda *_: CENTER_VIEW), timed(one) as intervals:
        run = recorded_run(spec, context, before_training=before_training)
    return run, (sum(cpu for cpu, _ in intervals), sum(wall for _, wall in intervals))


@contextmanager
def timed(one: Comparison) -> Iterator[list[tuple[float, float]]]:
    """Takes the time of the training of the run within.

    That of the preparation counts if it computes features of images, or if the official function of an adapter prepares
    and trains in one.
    """
    intervals: list[tuple[float, float]] = []
    method_class, train = get_method(one.method), runner.Run.train
    prepare = method_class.prepare

    def timed_prepare(method: Any, *args: Any) -> None:
        warm_up()
        encode, encoded = frozen_features.encode_padded, []

        def noted(*tower: Any) -> Tensor:
            encoded.append(True)
            return encode(*tower)

        start = now()
        with patch.object(frozen_features, "encode_padded", noted):
            prepare(method, *args)
        if encoded or not one.trainer:
            intervals.append(between(start, now()))

    def timed_training(*args: Any) -> Any:
        start = now()
        trained = train(*args)
        intervals.append(between(start, now()))
        return trained

    with patch.object(method_class, "prepare", timed_prepare), patch.object(runner.Run, "train", timed_training):
        yield intervals


def follow_order(method: TrainableMethod[Any], order: Sequence[Sequence[Sequence[int]]]) -> None:
    """Let the method train on the official batches of each epoch."""
    epochs = iter(order)

    def arrange(batches: Sequence[Tensor]) -> Iterator[Tensor]:
        return (torch.tensor(images) for images in next(epochs))

    setattr(method, "arrange", arrange)  # noqa: B010  a method takes the place of another


def copy_tensors(one: Comparison, method: TrainableMethod[Any], official: Mapping[str, Any]) -> None:
    """Overwrite the trained tensors, and APEX's untrained reference prompts, with the official ones."""
    if one.tensors is None:
        return
    ours = one.tensors(method)
    theirs = {name.removeprefix("init/"): value for name, value in official.items() if name.startswith("init/")}
    theirs = {name: value for name, value in theirs.items() if not name.startswith(one.unused)}
    if set(theirs) != set(ours):
        raise ValueError(f"{one.name}: trained tensors differ in {sorted(set(theirs) ^ set(ours))}.")
    for name in one.computed:
        mine = ours[name].detach()
        start = torch.from_numpy(theirs[name]).reshape(mine.shape)
        if not torch.allclose(mine, start, rtol=1e-4, atol=1e-5):
            raise ValueError(f"{one.name}: {name} starts at other values; the largest difference is "
                             f"{float((mine - start).abs().max()):.2g}.")  # fmt: skip
    with torch.no_grad():
        for name, tensor in ours.items():
            tensor.copy_(torch.from_numpy(theirs[name]).reshape(tensor.shape))
