"""Frozen types of datasets, class lists and few-shot tasks. Loads no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
"""The parts of a dataset's split."""
BACKBONE_PREFIX = "features"
"""First part of the slug of a backbone that exists only as imported features: `features.<name>`."""


class EvalProtocol(StrEnum):
    """How a method is trained and evaluated.

    `few-shot`: K images of every class, evaluated on all classes. `base-to-new`: K images of the base half of the
    classes, evaluated on the base and on the new classes separately. `cross-dataset`: K images of every class of a
    source dataset, evaluated on other datasets, each with all its own classes. `domain-generalization`: the same with
    targets that show some or all of the source's classes under a distribution shift. `test-time`: no labelled images;
    the unlabelled test images of all classes form a stream in an order drawn by the seed.
    """

    FEW_SHOT = "few-shot"
    BASE_TO_NEW = "base-to-new"
    CROSS_DATASET = "cross-dataset"
    DOMAIN_GENERALIZATION = "domain-generalization"
    TEST_TIME = "test-time"

    @property
    def transfers(self) -> bool:
        """Whether it trains on a source dataset and evaluates on targets."""
        return self in (EvalProtocol.CROSS_DATASET, EvalProtocol.DOMAIN_GENERALIZATION)


DrawRule = Literal["coop", "coop-sorted", "nested", "file"]
"""Which images become the K shots of a class.

`coop`: CoOp/Dassl's draw with the same seeds. `coop-sorted`: the same draw over a sorted folder listing, for datasets
without a split file, where CoOp's own draw depends on the file system. `nested`: a hash ranks the images of each class,
so fewer shots are a subset of more shots. `file`: no draw; a list gives the images.
"""


@runtime_checkable
class Images(Protocol):
    """A source of images, addressed by the keys of samples."""

    def load(self, key: str) -> Image.Image:
        """The image as RGB. Raises DataError, naming the file, if it is missing or cannot be decoded."""
        ...

    def digest(self, key: str) -> str:
        """Hex SHA-256 that changes whenever the image's content does."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image: a key into an `Images` source, and a label in 0..n_classes-1.

    `group` names what the image shares with others, such as its patient, slide, video or place, if the dataset tells.
    Images of one group are not independent. Groups are no part of any fingerprint.
    """

    key: str
    label: int
    group: str | None = None


Sentences = tuple[tuple[str, ...], ...]
"""One or more sentences for each class, in label order."""


@dataclass(frozen=True)
class ClassSet:
    """The classes of a classifier: their names in label order, and the dataset's own template.

    `sentences`, if given, replace every template of frozen class texts. `dataset` is the dataset of the classes;
    imported text features are looked up by it, since two datasets can share class names.
    """

    names: tuple[str, ...]
    template: str
    sentences: Sentences | None = None
    dataset: str | None = None

    def __post_init__(self) -> None:
        if "{}" not in self.template:
            raise ValueError(f"Template {self.template!r} has no '{{}}' to put the class name in.")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names as they appear in prompts: underscores become spaces, nothing else changes (CoOp's rule)."""
        return tuple(name.replace("_", " ") for name in self.names)

    def texts(self, template: str | None = None, *, keep_underscores: bool = False) -> list[str]:
        """The filled template, one text per class; by default the dataset's own template.

        Underscores in names become spaces unless `keep_underscores`.
        """
        names = self.names if keep_underscores else self.prompt_names
        return [(template or self.template).replace("{}", name) for name in names]


@dataclass(frozen=True)
class DatasetSplits:
    """The images of a dataset, as its reader finds or generates them.

    Labels run from 0 without gaps, and the order of the lists matters.

    Args:
        layout: how the images are stored, in a few words; keys and labels do not depend on it.
        left_out: unused files beside the images, by kind, such as `.txt files`.
        image_list: a digest of the list of own images and of what divides them; None for other datasets.
    """

    images: Images
    class_names: tuple[str, ...]
    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    test: tuple[Sample, ...]
    layout: str = ""
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    image_list: str | None = field(default=None, compare=False)

    @property
    def counts(self) -> dict[str, int]:
        """Number of images by part."""
        return {part: len(getattr(self, part)) for part in PARTS}

    @property
    def keys(self) -> list[str]:
        """Keys of all images: train, val, test."""
        return [sample.key for sample in (*self.train, *self.val, *self.test)]


Reader = Callable[[Path | None], DatasetSplits]


@dataclass(frozen=True)
class DatasetInfo:
    """The facts of a dataset, available without reading an image.

    Args:
        name: the registry name, equal to the module's name (plus `:option=value` for a dataset with options).
        title: the name in tables.
        summary: one sentence; for a synthetic dataset, the shift that makes it hard.
        num_classes: number of classes of the full dataset; a subset on disk may have fewer.
        class_names: canonical names in label order, or empty if only the split file has them.
        template: CoOp's template for this dataset.
        licence: short licence name and its source; `not stated` if the owner names none, `not verified` if the owner's
            statement was not read.
        citation: BibTeX entry; empty for a synthetic dataset.
        reader: `reader(data_root)` returns the splits; `data_root` is the folder that holds all datasets.
        split_file: name of the split file in CoOp's layout, if the dataset has one.
        synthetic: whether this project generates the images, so that nothing is read from disk.
        template_variants: templates that other papers use for this dataset, by a short name of the paper.
        expected: number of images of the full dataset by part (`train`, `val`, `test`); empty if it is not known.
        sorted_listing: whether the training list is a sorted folder listing because no split file is published.
        options: option names of an adjustable dataset, with one line each.
        with_options: for an adjustable dataset, maps option texts to the DatasetInfo of that setting.
        backbone: for imported features, the slug of the backbone that computed them.
        own_images: whether a user added it from their own images, by a TOML file.
        groups: what the group of an image is, with its source; empty if images have no groups.
    """

    name: str
    title: str
    summary: str
    domain: str
    num_classes: int
    template: str
    licence: str
    homepage: str
    citation: str
    reader: Reader
    class_names: tuple[str, ...] = ()
    split_file: str | None = None
    synthetic: bool = False
    template_variants: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, int] = field(default_factory=dict)
    known_problems: tuple[str, ...] = ()
    test_only: bool = False
    sorted_listing: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    with_options: Callable[[Mapping[str, str]], DatasetInfo] | None = None
    backbone: str | None = None
    own_images: bool = False
    groups: str = ""

    @property
    def licence_is_known(self) -> bool:
        """Whether the owner of the images is known to allow their use."""
        return not self.licence.startswith(("not stated", "not verified"))

    @property
    def coop_name(self) -> str:
        """The name of CoOp's class for it, from its split file, such as `DescribableTextures` for DTD; else its own."""
        return (self.split_file or self.name).removeprefix("split_zhou_").removesuffix(".json")


def has_imported_features(backbone: str) -> bool:
    """Whether the backbone of this slug exists only as imported features, without towers."""
    return backbone.startswith(f"{BACKBONE_PREFIX}.")


@dataclass(frozen=True)
class SupportSet:
    """The training images (shots x classes), or the few validation images, with their classes."""

    images: Images
    samples: tuple[Sample, ...]
    classes: ClassSet

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def labels(self) -> tuple[int, ...]:
        return tuple(sample.label for sample in self.samples)


@dataclass(frozen=True)
class UnlabelledImages:
    """The pool of images that a method may learn from without labels. Their labels are not stored here.

    The order of `keys` says nothing about the labels.
    """

    images: Images
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def digest(self) -> str:
        """Hex digest of the contents of all images, in order. Reads every image file."""
        return fingerprint([self.images.digest(key) for key in self.keys])


@dataclass(frozen=True)
class EvalSplit:
    """Test images with the classes they are evaluated on. Methods must not read the labels.

    `group_names` are the groups of all test images of the dataset, sorted.
    """

    name: str
    images: Images
    samples: tuple[Sample, ...]
    classes: ClassSet
    group_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    def groups(self) -> NDArray[np.int32] | None:
        """The place of each image's group in `group_names`, `(n,)`, or -1; None if no image has a group."""
        if all(sample.group is None for sample in self.samples):
            return None
        import numpy as np

        number = {None: -1} | {name: place for place, name in enumerate(self.group_names)}
        return np.array([number[sample.group] for sample in self.samples], dtype=np.int32)


@dataclass(frozen=True)
class FewShotTask:
    """One few-shot task. Equal fingerprints prove that two methods used the same images, names and splits.

    `short` has the number of training images of each class with fewer than `shots`; all of them are drawn. `rule` is
    the change of the draw, such as `noisy:0.2`, and `relabelled` has the true label of each support image with a
    changed label. `pool` has the unlabelled images; None without a pool.
    """

    dataset: str
    protocol: EvalProtocol
    shots: int
    seed: int
    draw: DrawRule
    support: SupportSet
    validation: SupportSet
    evals: tuple[EvalSplit, ...]
    fingerprint: str
    short: Mapping[str, int] = field(default_factory=dict)
    rule: str | None = None
    relabelled: Mapping[str, int] = field(default_factory=dict)
    pool: UnlabelledImages | None = None

    def eval(self, name: str) -> EvalSplit:
        """The evaluation split of that name (`base`, `new`, `all`, or a target dataset)."""
        return next(split for split in self.evals if split.name == name)


def fingerprint(parts: Sequence[object]) -> str:
    """Hex SHA-256 (first 32 digits) of the canonical JSON of plain values."""
    return fingerprint_of_texts([canonical_json(part) for part in parts])


def fingerprint_of_texts(parts: Sequence[str]) -> str:
    """The fingerprint of values of which each is given as its canonical JSON."""
    return hashlib.sha256(f"[{','.join(parts)}]".encode()).hexdigest()[:32]


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces, so that equal values give equal texts. Run ids and checksums hash it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
