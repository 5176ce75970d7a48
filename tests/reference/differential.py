"""`make differential`: our runs beside the plain re-implementation in this folder, over three seeds.

    PYTHONPATH=.:tests/support python tests/reference/differential.py [--only METHOD,...] [--seeds 1,2,3]

The plain side receives the random numbers of our run (initial tensors, order of the images, crops) and nothing else.
Draw, losses of all steps, logits and predictions must agree, the numbers up to the measured rounding noise: how much
the plain side has changed by then when all its weights are multiplied by (1 + 3e-7 N(0, 1)).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from plain_clip import PlainCLIP
from plain_methods import METHODS, StoredFeatures
from plain_training import Box, Chance, Item, Pictures, Rows, base_classes, draw, test, train
from recorded_run import RecordedRun, recorded_run
from torch import Tensor

from bench import RunContext, plan
from bench.experiment.features.inputs import load_inputs, loaded_backbone
from bench.experiment.features.views import View, ViewKind, view_params
from bench.experiment.task import read_splits
from datasets_registry import (
    CUSTOM_FOLDERS_VARIABLE,
    DATASETS,
    DatasetSplits,
    feature_bundle,
    get_dataset,
    register_dataset,
)
from methods import load_backbone, parse_backbone

NOISE = 3e-7
EPOCHS = {"coop": 50, "clip_adapter": 50}
"""Epochs of the long form where they are fewer than the published ones: a quarter, to take minutes."""
STARTS = {
    "coop": {"ctx": "ctx"},
    "clip_adapter": {"visual_adapter.down": "down", "visual_adapter.up": "up"},
    "tip_adapter_f": {},
    "vpt": {"visual_prompts.layers.": "prompt"},
    "apex": {
        "visual_prompts.layers.": "prompt", "text_context.ctx": "ctx", "text_adapter.matrix": "matrix",
        "text_adapter.bias": "bias",
    },
}  # fmt: skip
"""Our trained tensors, or the first part of their names, by the plain side's names. Tip-Adapter-F draws none."""
NEW_CLASSES = {"coop", "vpt", "apex"}
"""Trained on the base classes and also tested on the new ones; the others are trained on all classes."""


@dataclass(frozen=True)
class Setting:
    """What is run. `epochs` and `lr`: None for the published ones; `every`: tests each n-th image."""

    method: str
    dataset: str
    seed: int
    shots: int = 16
    epochs: int | None = None
    lr: float | None = None
    every: int = 1
    backbone: str = "ViT-demo.drawn"

    @property
    def name(self) -> str:
        """For tables."""
        rate = f", rate {self.lr:g}" if self.lr else ""
        return f"{self.method} on {self.dataset}, {self.shots} shots{rate}"

    @property
    def protocol(self) -> str:
        return "base-to-new" if self.method in NEW_CLASSES else "few-shot"


@dataclass
class Plain:
    """The outcome of the plain side. `before`: its logits without training, for the scale of differences."""

    support: list[Item]
    validation: list[Item]
    losses: list[float]
    logits: dict[str, Tensor] = field(default_factory=dict)
    before: dict[str, Tensor] = field(default_factory=dict)


@cache
def run_ours(setting: Setting) -> tuple[RecordedRun, int]:
    """Our run, and its number of epochs."""
    changes = {"epochs": setting.epochs, "lr": setting.lr}
    settings = {f"{setting.method}.recipe.{name}": value for name, value in changes.items() if value is not None}
    with TemporaryDirectory() as runs:
        (spec,) = plan(
            setting.method, setting.dataset, backbone=setting.backbone, protocol=setting.protocol, shots=setting.shots,
            seeds=[setting.seed], settings=settings, runs=runs,
        ).specs  # fmt: skip
    assert spec.recipe is not None
    return recorded_run(spec, RunContext()), int(spec.recipe["epochs"])


@dataclass
class SameChance:
    """The random numbers of our run."""

    shuffle: torch.Generator
    digest: Callable[[str], str]
    seed: int

    def order(self, n: int) -> Tensor:
        return torch.randperm(n, generator=self.shuffle)

    def crop(self, key: str, view: int, scale: tuple[float, float], size: tuple[int, int]) -> tuple[Box, bool]:
        shown = view_params(self.digest(key), View(ViewKind.CROP, scale, self.seed, view), size)
        assert shown.crop is not None
        top, left, height, width = shown.crop
        return (left, top, width, height), shown.flip


def plain_start(method: str, start: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our initial tensors by the plain side's names."""
    found = {}
    for ours, theirs in STARTS[method].items():
        found |= {theirs + name.removeprefix(ours): t.clone() for name, t in start.items() if name.startswith(ours)}
    return found


def run_plain(
    setting: Setting,
    epochs: int,
    chance: Chance,
    generator: torch.Generator,
    start: Mapping[str, Tensor] | None = None,
    noise: float = 0.0,
) -> Plain:
    """The plain side. `start`: initial tensors; None for its own. `noise`: relative, on all frozen weights."""
    info = get_dataset(setting.dataset)
    splits = info.reader(None)
    some = slice(None, None, setting.every)
    lists = {part: [(s.key, s.label) for s in getattr(splits, part)] for part in ("train", "val", "test")}
    support, validation = draw(lists["train"], lists["val"], setting.shots, setting.seed)
    n_classes, n_base = len(splits.class_names), len(splits.class_names)
    if setting.method in NEW_CLASSES:
        n_base = (n_classes + 1) // 2
        support, validation = base_classes(support, n_classes), base_classes(validation, n_classes)
    clip, data = plain_inputs(setting, splits, noise)
    method = METHODS[setting.method](clip, splits.class_names[:n_base], info.template, generator)
    if setting.lr is not None:
        method.training = replace(method.training, lr=setting.lr)
    if start:
        assert {n: t.shape for n, t in start.items()} == {n: t.shape for n, t in method.parameters.items()}
        method.parameters = dict(start)
    tests = {"all": (lists["test"], method.logits)}
    if setting.method in NEW_CLASSES:
        new = splits.class_names[n_base:]
        tests = {
            "base": (base_classes(lists["test"], n_classes), method.logits),
            "new": ([x for x in lists["test"] if x[1] >= n_base], lambda images: method.new_logits(images, new)),
        }

    def tested() -> dict[str, Tensor]:
        return {split: test([key for key, _ in items[some]], data, logits) for split, (items, logits) in tests.items()}

    keys, labels = [key for key, _ in support], torch.tensor([label for _, label in support])
    if hasattr(method, "build_cache"):
        views = [data.augmented(keys, view, method.training.crop_scale, chance) for view in range(method.views)]
        method.build_cache(views, labels)
    before = {} if noise else tested()
    losses = train(method, keys, labels, data, chance, epochs=epochs)
    if hasattr(method, "search"):
        method.search(data.center([key for key, _ in validation]), torch.tensor([label for _, label in validation]))
    return Plain(support, validation, losses, tested(), before)


def plain_inputs(setting: Setting, splits: DatasetSplits, noise: float) -> tuple[Any, Any]:
    """The frozen model and the data; both without any of our towers or caches."""
    generator = torch.Generator().manual_seed(0)

    def noisy(tensor: Tensor) -> Tensor:
        return tensor * (1 + noise * torch.randn(tensor.shape, generator=generator)) if noise else tensor

    if not setting.backbone.startswith("features."):
        clip = deepcopy(load_backbone(parse_backbone(setting.backbone)).model)
        for parameter in clip.parameters():
            parameter.requires_grad_(False)
            parameter.copy_(noisy(parameter))
        return PlainCLIP(clip), Pictures(partial(picture, setting.dataset), PlainCLIP(clip).image_size)
    arrays = np.load(Path(os.environ[CUSTOM_FOLDERS_VARIABLE]) / setting.dataset / "arrays.npz")
    texts = noisy(torch.from_numpy(arrays["text_features"]))
    features = {part: noisy(torch.from_numpy(arrays[f"{part}_features"])) for part in ("train", "val", "test")}

    def rows(keys: Sequence[str]) -> Tensor:
        places = [key.split("/") for key in keys]
        return torch.stack([features[part][int(row)] for part, row in places])

    return StoredFeatures(texts, 100.0), Rows(rows)


@cache
def picture(dataset: str, key: str) -> Image.Image:
    """An image; drawing it takes longer than a pass through the towers."""
    return read_splits(dataset, None).images.load(key)


@dataclass(frozen=True)
class Row:
    """One split of one run of ours beside the plain side.

    Args:
        loss: largest difference of the loss; `early_loss`: in the first 20 steps. `loss_noise`: that noise makes.
        loss_excess: largest ratio of a step's difference to what noise explains up to this step.
        logits: largest difference of the final logits; `logits_noise`: that noise makes; `moved`: that training makes.
    """

    setting: str
    seed: int
    split: str
    steps: int
    draw: bool
    early_loss: float
    loss: float
    loss_noise: float
    loss_excess: float
    logits: float
    logits_noise: float
    moved: float
    alike: int
    images: int
    accuracy: float
    plain_accuracy: float

    @property
    def within(self) -> bool:
        """Equal draw, and differences that rounding explains at every step and in the logits."""
        return self.draw and self.loss_excess <= 1 and self.logits <= 5 * self.logits_noise + 5e-5


def paired(setting: Setting) -> list[Row]:
    """Compare one run of ours with the plain side under the same random numbers; one row for each split."""
    ours, epochs = run_ours(setting)
    start = plain_start(setting.method, ours.start)
    images = ours.task.support.images

    def again(noise: float = 0.0) -> Plain:
        shuffle = torch.Generator()
        shuffle.set_state(ours.shuffle.get_state())
        chance = SameChance(shuffle, images.digest, setting.seed)
        copied = {name: tensor.clone() for name, tensor in start.items()}
        return run_plain(setting, epochs, chance, torch.Generator(), copied, noise)

    plain, noisy = again(), again(NOISE)
    same_draw = all(
        [(s.key, s.label) for s in mine.samples] == theirs
        for mine, theirs in ((ours.task.support, plain.support), (ours.task.validation, plain.validation))
    )
    if len(ours.losses) != len(plain.losses):
        raise ValueError(f"{setting.name}: {len(ours.losses)} steps here, {len(plain.losses)} on the plain side.")
    loss = np.abs(np.array(ours.losses) - plain.losses)
    loss_noise = np.maximum.accumulate(np.abs(np.array(noisy.losses) - plain.losses))
    found = []
    for split in ours.task.evals:
        mine, theirs = ours.logits[split.name][:: setting.every], plain.logits[split.name]
        labels = torch.tensor([sample.label for sample in split.samples])[:: setting.every]
        found.append(Row(
            setting.name, setting.seed, split.name, len(loss), same_draw, float(loss[:20].max()), float(loss.max()),
            float(loss_noise[-1]), float((loss / (5 * loss_noise + 2e-6)).max()),
            float((mine - theirs).abs().max()), float((noisy.logits[split.name] - theirs).abs().max()),
            float((plain.before[split.name] - theirs).abs().max()),
            int((mine.argmax(dim=1) == theirs.argmax(dim=1)).sum()), len(labels),
            accuracy(mine, labels), accuracy(theirs, labels),
        ))  # fmt: skip
    return found


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of images whose prediction is right."""
    return float((logits.argmax(dim=1) == labels).double().mean())


@contextmanager
def real_features(source: Path) -> Iterator[dict[str, str]]:
    """Two imported sets of real CLIP ViT-B/32 features, of classes that have a text feature; backbones by dataset."""
    overlap = json.loads((source / "text_overlap.json").read_text())
    texts = np.load(source / "imagenet.npz")["text_b"]
    backbones: dict[str, str] = {}
    with TemporaryDirectory() as home, patch.dict(os.environ, {CUSTOM_FOLDERS_VARIABLE: home}):
        for name in ("oxford_pets", "caltech101"):
            arrays, classes = np.load(source / f"{name}.npz"), overlap[name]
            place = {entry["label"]: i for i, entry in enumerate(classes)}
            splits = {}
            for part, stored in (("train", "train16"), ("val", "val"), ("test", "test")):
                shown = np.isin(arrays[f"{stored}_l"], list(place))
                labels = np.array([place[int(label)] for label in arrays[f"{stored}_l"][shown]])
                splits[part] = (arrays[f"{stored}_f"][shown], labels)
            model = f"vitb32-{name.replace('_', '-')}"
            bundle = feature_bundle.import_feature_bundle(
                name=f"real_{name}", backbone=model, home=Path(home), splits=splits,
                class_names=[entry["classname"] for entry in classes],
                text_features=texts[[entry["imagenet_index"] for entry in classes]],
            )  # fmt: skip
            register_dataset(bundle.info())
            backbones[bundle.facts.name] = f"features.{model}"
        try:
            yield backbones
        finally:
            for name in backbones:
                DATASETS.remove(name)
            for remembered in (run_ours, load_inputs, loaded_backbone, read_splits):
                remembered.cache_clear()


def settings_of(seeds: Sequence[int], real: Mapping[str, str], only: Sequence[str] = ()) -> list[Setting]:
    """The long form: published trainings on synthetic images, and on real features where a method needs only these."""
    synthetic = [Setting(m, "spectrum_sketch", seed, epochs=EPOCHS.get(m)) for m in METHODS for seed in seeds]
    # CoOp's published rate changes the small CLIP's logits little; this one changes them by ten
    synthetic += [Setting("coop", "spectrum_sketch", seed, epochs=10, lr=0.2) for seed in seeds]
    stored = [
        Setting(method, dataset, seed, shots=8, epochs=EPOCHS.get(method), backbone=backbone)
        for method in ("clip_adapter", "tip_adapter_f")
        for dataset, backbone in real.items()
        for seed in seeds
    ]
    return [setting for setting in synthetic + stored if not only or setting.method in only]


def table(rows: Sequence[Row]) -> str:
    """The paired comparison: a line for each training and split, with the seeds together."""
    lines = [
        "| training | tested on | steps | same draw | loss, first 20 steps | loss (noise) | logits (noise) "
        "| moved | predictions alike | accuracy, ours/plain, % |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, split in dict.fromkeys((row.setting, row.split) for row in rows):
        some = [row for row in rows if (row.setting, row.split) == (name, split)]
        accuracies = ", ".join(f"{100 * row.accuracy:.1f}/{100 * row.plain_accuracy:.1f}" for row in some)
        lines.append(
            f"| {name} | {split} | {some[0].steps} "
            f"| {'yes' if all(row.draw for row in some) else 'NO'} | {max(row.early_loss for row in some):.0e} "
            f"| {max(row.loss for row in some):.0e} ({min(row.loss_noise for row in some):.0e}) "
            f"| {max(row.logits for row in some):.0e} ({min(row.logits_noise for row in some):.0e}) "
            f"| {min(row.moved for row in some):.2g} "
            f"| {sum(row.alike for row in some)}/{sum(row.images for row in some)} | {accuracies} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Exit status 1 if a draw, a loss curve, logits or predictions differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="methods, with commas")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--features", type=Path, help="folder of real CLIP features (vitb32)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds, only = [int(seed) for seed in options.seeds.split(",")], [x for x in options.only.split(",") if x]
    rows: list[Row] = []
    with real_features(options.features) if options.features else nullcontext({}) as real:
        for setting in settings_of(seeds, real, only):
            rows += paired(setting)
            sys.stderr.write(table(rows[-1:]).splitlines()[-1] + "\n")
    alike, images = sum(row.alike for row in rows), sum(row.images for row in rows)
    sys.stdout.write(f"{table(rows)}\n\n{alike} of {images} predictions alike\n")
    return int(not all(row.within and row.alike == row.images for row in rows))


if __name__ == "__main__":
    sys.exit(main())
