"""A plain experiment: few-shot draw, views, training loop, test. Imports neither `bench` nor `methods`."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
import torchvision.transforms.functional as pixels_of
from PIL import Image
from plain_methods import Training
from torch import Tensor
from torchvision.transforms import InterpolationMode

Item = tuple[str, int]
"""An image's key and its label."""
Box = tuple[int, int, int, int]
"""Left, top, width and height of a crop."""

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
BICUBIC = InterpolationMode.BICUBIC


def draw(train: Sequence[Item], val: Sequence[Item], shots: int, seed: int) -> tuple[list[Item], list[Item]]:
    """CoOp's draw: one generator, classes by first appearance, then `min(shots, 4)` validation images per class."""
    chance = random.Random(seed)
    drawn: list[list[Item]] = []
    for items, k in ((train, shots), (val, min(shots, 4))):
        groups: dict[int, list[Item]] = {}
        for item in items:
            groups.setdefault(item[1], []).append(item)
        drawn.append([x for group in groups.values() for x in (chance.sample(group, k) if len(group) >= k else group)])
    return drawn[0], drawn[1]


def base_classes(items: Sequence[Item], n_classes: int) -> list[Item]:
    """The items of the first half of the labels, rounded up."""
    return [item for item in items if item[1] < math.ceil(n_classes / 2)]


class Chance(Protocol):
    """The random numbers of an experiment, which are those of another run."""

    def order(self, n: int) -> Tensor:
        """The order of the images in the next epoch."""

    def crop(self, key: str, view: int, scale: tuple[float, float], size: tuple[int, int]) -> tuple[Box, bool]:
        """The crop of an image under a numbered view, and whether it is mirrored."""


@dataclass
class Pictures:
    """Images by key as the towers see them."""

    load: Callable[[str], Image.Image]
    size: int

    def tensor(self, image: Image.Image) -> Tensor:
        return pixels_of.normalize(pixels_of.to_tensor(image), list(MEAN), list(STD))

    def center(self, keys: Sequence[str]) -> Tensor:
        """The view of a test: shorter side resized, centre cut out."""
        shown = [pixels_of.resize(self.load(key).convert("RGB"), [self.size], BICUBIC) for key in keys]
        return torch.stack([self.tensor(pixels_of.center_crop(image, [self.size])) for image in shown])

    def augmented(self, keys: Sequence[str], view: int, scale: tuple[float, float], chance: Chance) -> Tensor:
        """A random crop, resized, and perhaps mirrored."""
        shown = []
        for key in keys:
            image = self.load(key).convert("RGB")
            (left, top, width, height), flip = chance.crop(key, view, scale, image.size)
            image = pixels_of.resized_crop(image, top, left, height, width, [self.size, self.size], BICUBIC)
            shown.append(self.tensor(pixels_of.hflip(image) if flip else image))
        return torch.stack(shown)


@dataclass
class Rows:
    """Stored features by key, which have one view only."""

    rows: Callable[[Sequence[str]], Tensor]

    def center(self, keys: Sequence[str]) -> Tensor:
        return self.rows(keys)

    def augmented(self, keys: Sequence[str], view: int, scale: tuple[float, float], chance: Chance) -> Tensor:
        return self.rows(keys)


def rate(training: Training, epoch: int, epochs: int, step: int, steps: int) -> float:
    """The learning rate: Dassl's by epoch, or a cosine by step."""
    if not training.warmup:
        return training.lr * (1 + math.cos(math.pi * step / steps)) / 2
    if epoch == 0:
        return training.warmup_lr
    return training.lr * (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2


def optimizer_of(training: Training, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
    settings: dict[str, Any] = {"lr": training.lr, "weight_decay": training.weight_decay}
    if training.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=0.9, **settings)
    if training.optimizer == "adadelta":
        return torch.optim.Adadelta(parameters, **settings)
    return torch.optim.AdamW(parameters, eps=1e-4, **settings)


def train(
    method: Any, keys: Sequence[str], labels: Tensor, data: Pictures | Rows, chance: Chance, *, epochs: int
) -> list[float]:
    """Train in place; returns the loss of each step before its update."""
    training: Training = method.training
    parameters = [parameter.requires_grad_() for parameter in method.parameters.values()]
    optimizer = optimizer_of(training, parameters)
    n, size = len(keys), min(training.batch_size, len(keys))
    per_epoch = n // size if training.drop_last else math.ceil(n / size)
    losses: list[float] = []
    for epoch in range(epochs):
        order = chance.order(n)
        for i in range(per_epoch):
            chosen = order[i * size : (i + 1) * size]
            images = data.augmented([keys[j] for j in chosen], epoch, training.crop_scale, chance)
            loss = F.cross_entropy(method.logits(images), labels[chosen])
            for group in optimizer.param_groups:
                group["lr"] = rate(training, epoch, epochs, len(losses), epochs * per_epoch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    for parameter in parameters:
        parameter.requires_grad_(False)
    return losses


@torch.no_grad()
def test(keys: Sequence[str], data: Pictures | Rows, logits: Callable[[Tensor], Tensor]) -> Tensor:
    """Logits of test images, a hundred at a time."""
    return torch.cat([logits(data.center(keys[i : i + 100])) for i in range(0, len(keys), 100)])
