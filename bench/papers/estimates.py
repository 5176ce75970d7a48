"""What runs will cost before any of them: multiply-adds from a generated table of operations. An estimate, no measure.

`operations.json` is written by `python -m tools.count_operations`. It has the coefficients of each method:

- `image_epoch`, `prompted_epoch`: passes of an image through the frozen and through the changed image tower, for each
  support image and epoch; `image_once`: for each support image, whatever the epochs.
- `text_step`: passes through the text tower for each class and step; `text_test`: for each class and test image;
  `text_once`: for each class.
- `prompted_test`: passes through the changed image tower for each test image; a frozen tower is read from the cache.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from bench.results import recipe_for_dataset
from bench.spec import ALL_SHOTS, ExperimentSpec, teacher_parts
from datasets_registry import EvalProtocol, PoolKind, PoolRule, get_dataset

if TYPE_CHECKING:
    from methods import BackboneSpec


def hours_text(hours: float) -> str:
    """Estimated hours with two or three digits: `0.11`, `2.98`, `1,120`; `<0.01` for less, and `0` for none."""
    if hours < 0.01:
        return "<0.01" if hours else "0"
    digits = 0 if hours >= 100 else 1 if hours >= 10 else 2
    return f"{float(f'{hours:.3g}'):,.{digits}f}"


@dataclass(frozen=True)
class Machine:
    """What an estimate assumes of a device.

    Args:
        multiply_adds: that it computes in a second.
        overhead: seconds of a run besides them, for reading images and starting.
    """

    name: str
    multiply_adds: float
    overhead: float

    @property
    def assumption(self) -> str:
        """The assumption as a sentence."""
        return (
            f"Counted operations, not measured: {self.multiply_adds / 1e12:g} T multiply-adds a second (fp32, "
            f"{self.name}), and {self.overhead:g} s for each run."
        )


GPU = Machine("such as an RTX 3090", 8e12, 10.0)
CPU = Machine("two cores", 0.03e12, 0.5)
TRAINING = 2
"""Forward passes that a training pass through a frozen tower costs: its weights get no gradient."""
_RECORD_BYTES, _IMAGE_BYTES, _VALUE_BYTES = 20_000, 80, 8
"""Bytes of a run, of a test image, and of a feature value of a test image where branches are kept."""
_TEST_IMAGES, _TRAIN_IMAGES = 10, 50
"""Of a class, where the registry does not know."""


@dataclass(frozen=True)
class RunSize:
    """Images, classes and steps of one run."""

    support: int
    train_classes: int
    tests: int
    test_classes: int
    splits: int
    epochs: float
    steps: int

    @property
    def tests_of_class(self) -> float:
        """Images that are scored against a class, where each is scored against the classes of its own split."""
        return self.tests / max(self.splits, 1)


def size_of(spec: ExperimentSpec) -> RunSize:
    """The size of a planned run, from the registry, without its data."""
    info = get_dataset(spec.dataset)
    known, halved = info.expected, spec.protocol == EvalProtocol.BASE_TO_NEW
    classes = math.ceil(info.num_classes / 2) if halved else info.num_classes
    scored = [get_dataset(name) for name in spec.targets] if spec.targets else []
    scored.append(info)
    tests = sum(_tests(one.name) for one in scored)
    every = spec.shots in (0, ALL_SHOTS) and spec.support is not None
    support = known.get("train", _TRAIN_IMAGES * info.num_classes) if every else classes * spec.shots
    if spec.teacher is not None:  # it is learned from on the images of the pool
        support += _unlabelled(spec, support, classes, tests)
    recipe, epochs, steps = spec.recipe or {}, 0.0, 0
    if recipe:
        recipe = recipe_for_dataset(spec.dataset, recipe)
        batch = min(recipe["batch_size"] or support, support) or 1
        epochs = recipe["epochs"]
        steps = int(recipe["steps"] or recipe["steps_per_shot"] * spec.shots)
        if steps:
            epochs = steps * batch / max(support, 1)
        else:
            steps = int(epochs) * (support // batch if recipe["drop_last"] else math.ceil(support / batch))
    parts = len(scored) * (2 if halved else 1)
    return RunSize(support, classes, tests, sum(one.num_classes for one in scored), parts, epochs, steps)


@cache
def _tests(dataset: str) -> int:
    """Test images of a dataset; of a synthetic one as its options say."""
    info, of_class = get_dataset(dataset), re.search(r"[:,]test=(\d+)", dataset)
    drawn = int(of_class[1]) if of_class else _TEST_IMAGES
    return int(info.expected.get("test") or drawn * info.num_classes)


def _unlabelled(spec: ExperimentSpec, support: int, train_classes: int, tests: int) -> int:
    """Images of the pool."""
    if spec.unlabelled is None:
        return 0
    pool = PoolRule.parse(spec.unlabelled)
    if pool.kind is PoolKind.TRANSDUCTIVE:
        return tests
    info = get_dataset(spec.dataset)
    images = info.expected.get("train", _TRAIN_IMAGES * info.num_classes)
    if pool.kind is PoolKind.TRAIN:
        images = images * train_classes // info.num_classes
    return pool.size or max(images - support, 0)


def operations_of(spec: ExperimentSpec, *, trained: bool = False, shown: bool = False) -> float:
    """Multiply-adds of a run, without the frozen features that other runs of its dataset share.

    If it shares its training, another run may have carried it out (`trained`), and computed the features of the test
    images, too (`shown`).
    """
    counts, size = _counts(spec.method), size_of(spec)
    image, text = tower_operations(spec.backbone)
    frozen = size.support * (counts.get("image_epoch", 0) * size.epochs + counts.get("image_once", 0))
    if spec.teacher is None:
        frozen += _unlabelled(spec, size.support, size.train_classes, size.tests)  # each passes the tower once
    else:
        teacher = teacher_parts(spec.teacher)[0].partition("@")[2].rpartition("#")[0]
        frozen += size.support * size.epochs * tower_operations(teacher)[0] / image
    if spec.method == "zero_shot":
        frozen = size.tests  # which the other runs find in the cache
    prompted = size.support * counts.get("prompted_epoch", 0) * size.epochs
    texts = size.train_classes * counts.get("text_step", 0) * size.steps
    of_class = max(counts.get("text_once", 0), 1) + counts.get("text_test", 0) * size.tests_of_class
    training = image * (frozen + TRAINING * prompted) + text * TRAINING * texts
    tests = image * size.tests * counts.get("prompted_test", 0)
    return (0 if trained else training) + (0 if shown else tests) + text * size.test_classes * of_class


def seconds_of(spec: ExperimentSpec, machine: Machine = GPU, *, trained: bool = False, shown: bool = False) -> float:
    """Estimated seconds of a run; arguments as of `operations_of`."""
    return operations_of(spec, trained=trained, shown=shown) / machine.multiply_adds + machine.overhead


def bytes_of(spec: ExperimentSpec, *, branches: bool) -> int:
    """Estimated bytes of a stored run; `branches` are the features of an ensemble."""
    values = _VALUE_BYTES * _embed_dim(spec.backbone) if branches and spec.method.startswith("apex") else 0
    return _RECORD_BYTES + size_of(spec).tests * (_IMAGE_BYTES + values)


def counted_methods() -> frozenset[str]:
    """The methods in the table of operations."""
    return frozenset(_table())


@cache
def _table() -> Mapping[str, Mapping[str, float]]:
    text = (resources.files("bench.papers") / "operations.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, float]] = json.loads(text)
    return found


def _counts(method: str) -> Mapping[str, float]:
    """The coefficients of a method; of a wrapped one those of its host, and of an unknown one none."""
    return _table().get(method) or _table().get(method.rpartition(":")[2], {})


@cache
def tower_operations(slug: str) -> tuple[float, float]:
    """Multiply-adds of one pass of an image and of a text."""
    spec = _backbone(slug)
    vision, text = spec.config.get("vision_cfg", {}), spec.config.get("text_cfg", {})
    return _image_pass(spec.arch, vision), _transformer(
        int(text.get("context_length", 77)), int(text.get("width", 512)), int(text.get("layers", 12))
    )


def _image_pass(arch: str, vision: Mapping[str, Any]) -> float:
    side = int(vision.get("image_size", 224))
    layers, width = vision.get("layers", 12), int(vision.get("width", 768))
    if isinstance(layers, list):  # a ResNet
        return 6e9 * sum(layers) / 16 * (width / 64) ** 2 * (side / 224) ** 2
    found = re.search(r"-(\d+)(?:-|$)", arch)
    patch = int(vision.get("patch_size") or (found[1] if found else 16))
    tokens = (side // patch) ** 2 + 1
    return _transformer(tokens, width, int(layers)) + tokens * 3 * patch**2 * width


def _transformer(tokens: int, width: int, layers: int) -> float:
    """Multiply-adds of a transformer with MLPs of four times its width."""
    return float(layers * (12 * width**2 * tokens + 2 * tokens**2 * width))


def _embed_dim(slug: str) -> int:
    return int(_backbone(slug).config.get("embed_dim", 512))


@cache
def _backbone(slug: str) -> BackboneSpec:
    from methods import parse_backbone

    return parse_backbone(slug)
