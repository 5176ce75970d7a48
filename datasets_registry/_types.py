"""What a dataset, a class list and one materialised few-shot task are; plain frozen types without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from PIL import Image


class EvalProtocol(StrEnum):
    """How a method is trained and scored.

    `few-shot`: K images of every class, scored over all classes. `base-to-new`: K images of the base half of the
    classes, scored on base and on new classes, each among its own names. `cross-dataset`: K images of every class of a
    source dataset, scored on other datasets, each over all its own classes. `domain-generalization`: the same where the
    targets show the source's classes, or some of them, in another way.
    """

    FEW_SHOT = "few-shot"
    BASE_TO_NEW = "base-to-new"
    CROSS_DATASET = "cross-dataset"
    DOMAIN_GENERALIZATION = "domain-generalization"

    @property
    def transfers(self) -> bool:
        """Whether it trains on a source dataset and scores on targets."""
        return self in (EvalProtocol.CROSS_DATASET, EvalProtocol.DOMAIN_GENERALIZATION)


class DrawRule(StrEnum):
    """Which images become the K shots of a class.

    `coop`: CoOp/Dassl's draw, seed for seed. `coop-sorted`: the same draw over a sorted folder listing, for datasets
    without a split file, where CoOp's own draw depends on the file system. `nested`: counter-based per class, so that 1
    is inside 2 is inside 4 ... `file`: no draw at all, but a list of images that was given.
    """

    COOP = "coop"
    COOP_SORTED = "coop-sorted"
    NESTED = "nested"
    FILE = "file"


@runtime_checkable
class Images(Protocol):
    """Where the pixels behind a sample's key come from."""

    def load(self, key: str) -> Image.Image:
        """The image as RGB. Raises DataError, naming the file, where it is missing or cannot be decoded."""
        ...

    def digest(self, key: str) -> str:
        """Hex SHA-256 that changes whenever the image's content does."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image: a key into an `Images` source, and a label in 0..n_classes-1."""

    key: str
    label: int


Sentences = tuple[tuple[str, ...], ...]
"""One or more sentences for each class, in label order."""


@dataclass(frozen=True)
class ClassSet:
    """What a classifier is asked to tell apart: class names in label order, and the dataset's own template.

    `sentences`, where there are some, take the place of every template wherever class texts are frozen.
    """

    names: tuple[str, ...]
    template: str
    sentences: Sentences | None = None

    def __post_init__(self) -> None:
        if "{}" not in self.template:
            raise ValueError(f"Template {self.template!r} has no '{{}}' to put the class name in.")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Names as they enter a text: underscores become spaces, nothing else changes (CoOp's rule)."""
        return tuple(name.replace("_", " ") for name in self.names)

    def texts(self, template: str | None = None) -> list[str]:
        """The filled template, one text a class; the dataset's own template unless another is given."""
        return [(template or self.template).replace("{}", name) for name in self.prompt_names]


@dataclass(frozen=True)
class DatasetSplits:
    """A dataset as a reader found it on disk (or drew it). Labels are contiguous from 0; list order matters.

    `layout` says in a few words how the images lie there; keys and labels do not depend on it.
    """

    images: Images
    class_names: tuple[str, ...]
    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    test: tuple[Sample, ...]
    layout: str = ""


Reader = Callable[[Path | None], DatasetSplits]


@dataclass(frozen=True)
class DatasetInfo:
    """The facts of a dataset, listable without touching an image.

    Args:
        name: the registry id, equal to the module's name (plus `:option=value` for a dial).
        title: as it is written in tables.
        summary: one sentence; for drawn datasets, the shift that makes it hard.
        domain: a few words, such as "satellite images".
        num_classes: of the full dataset; a subset on disk may have fewer.
        class_names: canonical names in label order, or empty where only the split file knows them.
        template: CoOp's template for this dataset.
        licence: short licence name and where it comes from.
        homepage: URL.
        citation: BibTeX entry, or an empty string for drawn datasets.
        reader: `reader(data_root)` gives the splits; `data_root` is the folder that holds all datasets.
        split_file: name of the split file in CoOp's layout, if the dataset has one.
        synthetic: True where the images are drawn by this project and nothing is read from disk.
        template_variants: templates that other papers use for this dataset, by a short name of the paper.
        expected: images of the full dataset by split (`train`, `val`, `test`); a subset on disk may have fewer.
        known_problems: what a reader of numbers on this dataset should know.
        test_only: True where there are no training images, so that the dataset can only be scored on.
        sorted_listing: True where the training list is a sorted folder listing and no published split file.
        options: for a dial, its option names with one line each.
        with_options: for a dial, turns option texts into the DatasetInfo of that setting.
        backbone: for imported features, the slug of the one backbone they were made with.
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


@dataclass(frozen=True)
class SupportSet:
    """The shots x classes training images (or the few validation images) with their class list."""

    images: Images
    samples: tuple[Sample, ...]
    classes: ClassSet

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def labels(self) -> tuple[int, ...]:
        return tuple(sample.label for sample in self.samples)


@dataclass(frozen=True)
class EvalSplit:
    """Test images with the class list they are scored among. Labels are for the scorer only."""

    name: str
    images: Images
    samples: tuple[Sample, ...]
    classes: ClassSet

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True)
class FewShotTask:
    """One materialised task. Equal fingerprints prove that two methods saw the same images, names and splits."""

    dataset: str
    protocol: EvalProtocol
    shots: int
    seed: int
    draw: DrawRule
    support: SupportSet
    validation: SupportSet
    evals: tuple[EvalSplit, ...]
    fingerprint: str

    def eval(self, name: str) -> EvalSplit:
        """The evaluation split of that name (`base`, `new`, `all`, or a target dataset)."""
        return next(split for split in self.evals if split.name == name)


def fingerprint(parts: Sequence[object]) -> str:
    """Hex SHA-256 (first 32 digits) of the canonical JSON of plain values."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
