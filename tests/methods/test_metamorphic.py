"""Changes that must not change a number: names, orders, batches, caches and threads, for whole runs of every method.

`test_conformance.py` checks the classifier of each method in the same way: other orders of classes and images, other
batches. Here the data on disk, the context or the sweep change, and everything from the reader to the scores runs.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families_of_methods import WITHOUT_TEACHER, cheap_of_each_family, some_fast
from PIL import Image
from rounding import SMALL_TEXT_TOWER, rounding
from short_settings import SHORT, SHORT_RECIPE
from sweep_requests import sweep_over
from tiny_runs import BACKBONE, forget_loaded

from bench.context import RunContext
from bench.experiment import runner
from bench.record import Predictions, RunRecord
from bench.sweep import SweepRequest, expand
from datasets_registry import DATASETS, CoopReader, DatasetInfo, EvalProtocol, register_dataset
from methods import get_method

CLASSES = ("cat", "dog", "bird", "tree", "house", "boat")
TRAIN, VAL, TEST = range(3), range(3, 5), range(5, 9)
"""Numbers of a class's images in each list. With 3 shots a draw takes all training and validation images."""
Entries = list[list[object]]


@dataclass(frozen=True)
class Photos:
    """One dataset of six classes and nine images per class.

    Args:
        order: the classes in label order.
        folder: the image folder of a class.
        arranged: puts the entries of a list ("train", "val" or "test") into another order.
        seed: of the images.
    """

    name: str
    order: Sequence[str] = CLASSES
    folder: Callable[[str], str] = str
    arranged: Callable[[str, Entries], Entries] = lambda _, entries: entries
    seed: int = 0

    def write(self, root: Path) -> None:
        """Write the images and the split file below `root`, and register the dataset."""
        images = root / self.name / "images"
        for i, one in enumerate(CLASSES):
            draw = np.random.default_rng([self.seed, i])
            pattern = draw.normal(size=(40, 40, 3))
            (images / self.folder(one)).mkdir(parents=True)
            for number in range(len(TRAIN) + len(VAL) + len(TEST)):
                pixels = np.clip(128 + 40 * pattern + 30 * draw.normal(size=pattern.shape), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(images / self._key(one, number))
        split = {part: self.arranged(part, self._entries(numbers)) for part, numbers in self._parts.items()}
        (root / self.name / "split.json").write_text(json.dumps(split), encoding="utf-8")
        register_dataset(self._info)

    def identity(self, key: str) -> tuple[str, str]:
        """Class and number of an image, which no name or order changes."""
        folder, number = key.split("/")
        return next(one for one in CLASSES if self.folder(one) == folder), number

    def _key(self, name: str, number: int) -> str:
        return f"{self.folder(name)}/{number}.png"

    def _entries(self, numbers: Sequence[int]) -> Entries:
        return [[self._key(one, i), label, one] for label, one in enumerate(self.order) for i in numbers]

    @property
    def _parts(self) -> dict[str, range]:
        return {"train": TRAIN, "val": VAL, "test": TEST}

    @property
    def _info(self) -> DatasetInfo:
        return DatasetInfo(
            name=self.name, title=self.name, summary="Patterns of noise.", domain="synthetic", num_classes=len(CLASSES),
            template="a photo of a {}.", licence="CC0", homepage="", citation="",
            reader=CoopReader(
                dataset=self.name, folder=self.name, split_file="split.json", image_folder="images",
                split_url="https://example.org/split", images_url="https://example.org/images",
            ),
        )  # fmt: skip


NAMES = [*WITHOUT_TEACHER, "apex_on:maple", "dept_on:coop", "wise_ft_on:prolip"]
WITHOUT_ORDER = [name for name in NAMES if name not in ("tda", "boost_adapter", "dmn_zs")]
"""Methods to which the order of the test images means nothing; the others learn from them one after the other."""
WITHOUT_POOL = [name for name in NAMES if not get_method(name).info.needs_pool]
"""Methods that learn from no pool, whose order follows from the names of files."""
Run = tuple[RunRecord, list[Predictions]]


def one_of_each_family(names: Sequence[str]) -> list[object]:
    return some_fast(names, cheap_of_each_family(names))


ROUNDING = rounding(16 * 3 * SMALL_TEXT_TOWER)
"""Largest difference of logits, relative to the largest logit, that another order of all sums may cause.

There are up to 16 steps, each with a pass through a small tower and two products on the way back.
"""
MORE_ROUNDING = {"gda": 1e-3}
"""GDA inverts a covariance matrix that so few images leave nearly singular."""
WITHOUT_DRAWS_IN_ORDER: dict[str, dict[str, object]] = {
    "clip_lora": {"dropout": 0},
    "dept": {"head_share": 0},
    "dept_on:coop": {"head_share": 0},
    "dpc_on": {"parallel_batch": 100},
}
"""Settings without random numbers that are dealt out by position: dropout to images, initial rows to classes.

DPC draws an image of each hard negative among those of its class. A batch with all classes has no negatives.
"""


def in_other_order(entries: Entries) -> Entries:
    return [entries[i] for i in np.random.default_rng(1).permutation(len(entries))]


PHOTOS = Photos("synthetic_photos")
COPY = Photos("a_copy", folder=lambda name: f"n{CLASSES.index(name) * 7919 % 1000:08d}")
TEST_ORDER = Photos("other_test_order", arranged=lambda part, all_: in_other_order(all_) if part == "test" else all_)
TRAIN_ORDER = Photos("other_train_order", arranged=lambda part, all_: all_ if part == "test" else in_other_order(all_))
CLASS_ORDER = Photos("other_class_order", order=("bird", "cat", "dog", "boat", "tree", "house"))
"""The base classes are the first three in this order too."""
UNRELATED = Photos("unrelated", seed=1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with the datasets, and a feature cache that runs on the unrelated one have filled."""
    root = tmp_path_factory.mktemp("data")
    written = [PHOTOS, COPY, TEST_ORDER, TRAIN_ORDER, CLASS_ORDER, UNRELATED]
    for photos in written:
        photos.write(root)
    forget_loaded()
    for name in ("tip_adapter", "apex", "prolip"):
        run(name, UNRELATED, root, cache_dir=root / "cache")
    gc.freeze()  # each run collects garbage, and need not look at all that the tests have imported
    yield root
    for photos in written:
        DATASETS.remove(photos.name)
    usual.cache_clear()


def settings_of(name: str, *, one_batch: bool = False) -> dict[str, object]:
    """Two short epochs, for orders of the training images in one batch."""
    config, recipe = SHORT.get(name, {}), {}
    if get_method(name).info.recipes:
        recipe = dict(SHORT_RECIPE)
    if one_batch and recipe:
        config, recipe = config | WITHOUT_DRAWS_IN_ORDER.get(name, {}), recipe | {"batch_size": 0}
    values = config | {f"recipe.{key}": value for key, value in recipe.items()}
    return {f"{name}.{key}": list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def protocol_of(name: str) -> EvalProtocol:
    info = get_method(name).info
    if info.reads_test_stream:
        return EvalProtocol.TEST_TIME
    is_open = info.is_open(info.default_config(EvalProtocol.BASE_TO_NEW))
    return EvalProtocol.BASE_TO_NEW if is_open else EvalProtocol.FEW_SHOT


def pool_of(names: Sequence[str]) -> str:
    """The value of `--unlabelled`; all training images have labels."""
    return "transductive" if set(names) - set(WITHOUT_POOL) else "none"


def run(name: str, photos: Photos, root: Path, *, one_batch: bool = False, **context: Any) -> Run:
    request: SweepRequest = sweep_over(
        [name], [photos.name], [BACKBONE], protocol=protocol_of(name), shots=(3,), seeds=(1,), data_root=root,
        overrides=[f"{key}={value}" for key, value in settings_of(name, one_batch=one_batch).items()],
        unlabelled=pool_of([name]),
    )  # fmt: skip
    (spec,) = expand(request).specs
    return runner.run_experiment(spec, RunContext(data_root=root, **context))


@lru_cache
def usual(name: str, root: Path, *, one_batch: bool = False) -> Run:
    """The run that all others are compared with."""
    return run(name, PHOTOS, root, one_batch=one_batch)


def bits(ran: Run, photos: Photos = PHOTOS) -> list[object]:
    record, predictions = ran
    images = [[photos.identity(key) for key in part.images] for part in predictions]
    numbers = [
        getattr(part, field).tobytes()
        for part in predictions
        for field in ("label", "rank", "true_logit", "log_sum_exp", "sum_p2", "top_labels", "top_logits")
    ]
    return [[score.model_dump() for score in record.scores], record.final_loss, images, numbers]


def assert_equal_but_for_rounding(ran: Run, expected: Run, tolerance: float) -> None:
    """The same accuracy, and the same logits of each image within rounding."""
    for ours, theirs in zip(ran[0].scores, expected[0].scores, strict=True):
        assert (ours.split, ours.accuracy, ours.n) == (theirs.split, theirs.accuracy, theirs.n)
        assert (ours.nll, ours.brier) == pytest.approx((theirs.nll, theirs.brier), rel=100 * tolerance)
    for ours, theirs in zip(by_image(ran), by_image(expected), strict=True):
        assert ours.keys() == theirs.keys()
        a, b = (np.array([part[key] for key in theirs]) for part in (ours, theirs))
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


def by_image(ran: Run) -> list[dict[str, tuple[float, float]]]:
    """For each split, the true class's logit and the logarithm of the softmax's denominator, by image."""
    return [{key: (part.true_logit[i], part.log_sum_exp[i]) for i, key in enumerate(part.images)} for part in ran[1]]


@pytest.mark.parametrize("name", one_of_each_family(WITHOUT_POOL))
def test_a_copy_under_another_name_gives_the_same_bits(name: str, root: Path) -> None:
    """The dataset and the folders of its classes have other names, in another alphabetical order."""
    assert bits(run(name, COPY, root), COPY) == bits(usual(name, root))


@pytest.mark.parametrize("name", one_of_each_family(NAMES))
def test_features_of_other_runs_in_the_cache_change_no_bit(name: str, root: Path) -> None:
    """The cache holds an unrelated dataset, and features of the methods before."""
    assert bits(run(name, PHOTOS, root, cache_dir=root / "cache")) == bits(usual(name, root))


RESET = torch.nn.Linear.reset_parameters


def reset_equal_for_classes(layer: torch.nn.Linear) -> None:
    """Draw the initial weights of a linear layer, with the same values for each class."""
    RESET(layer)
    with torch.no_grad():
        for axis in (i for i, size in enumerate(layer.weight.shape) if size == len(CLASSES)):
            layer.weight.copy_(layer.weight.narrow(axis, 0, 1).clone().expand_as(layer.weight))


@pytest.mark.parametrize("photos", [TRAIN_ORDER, CLASS_ORDER], ids=lambda photos: photos.name)
@pytest.mark.parametrize("name", one_of_each_family(WITHOUT_ORDER))
def test_the_order_in_the_split_file_does_not_matter(
    name: str, photos: Photos, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One batch holds all training images, so that it is the same set of images in any order."""
    if name == "lp_plus_plus":  # a random bias per class, without a setting
        monkeypatch.setattr("methods.lp_plus_plus.linear_uniform", lambda shape, *_: torch.zeros(shape))
    if name == "ldc":  # random rows and columns per class, without a setting
        monkeypatch.setattr(torch.nn.Linear, "reset_parameters", reset_equal_for_classes)
    expected = usual(name, root, one_batch=True)
    assert_equal_but_for_rounding(run(name, photos, root, one_batch=True), expected, MORE_ROUNDING.get(name, ROUNDING))


@pytest.mark.parametrize("name", one_of_each_family(WITHOUT_ORDER))
def test_order_and_batches_of_test_images_do_not_matter(name: str, root: Path) -> None:
    assert_equal_but_for_rounding(run(name, TEST_ORDER, root, eval_batch=5), usual(name, root), ROUNDING)


@pytest.mark.parametrize("name", one_of_each_family(NAMES))
def test_the_number_of_threads_does_not_matter(name: str, root: Path) -> None:
    assert_equal_but_for_rounding(run(name, PHOTOS, root, threads=2), usual(name, root), ROUNDING)
