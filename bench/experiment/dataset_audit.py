"""Audits a dataset from frozen features: test images whose picture is also elsewhere, and suspect labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits

from bench.analysis import audit_labels, near_duplicates
from bench.context import RunContext
from bench.experiment.accelerator import device_arithmetic
from bench.experiment.features.inputs import Inputs, shared_inputs
from bench.experiment.features.views import CENTER_VIEW
from datasets_registry import DatasetSplits, Images, Sample, feature_bundle, get_dataset
from methods import Precision

_IMAGES_AT_A_TIME = 2048
_PICTURES_IN_MEMORY = 4096


@dataclass(frozen=True)
class AuditedImage:
    """An image of a dataset: its key, its part (`train`, `val`, `test`) and the name of its class."""

    key: str
    part: str
    label: str


@dataclass(frozen=True)
class NearDuplicate:
    """Two images of the same picture whose files differ, at least one of them a test image.

    Args:
        image: a test image.
        cosine: of their features.
        likeness: of their pixels, at most 1; see `bench.analysis.picture_likeness`.
    """

    image: AuditedImage
    other: AuditedImage
    cosine: float
    likeness: float


@dataclass(frozen=True)
class SuspectImage:
    """An image whose label is probably `suggested`; the probabilities come from the other images."""

    image: AuditedImage
    suggested: str
    label_probability: float
    suggested_probability: float


@dataclass(frozen=True)
class DatasetAudit:
    """What frozen features show about a dataset.

    Args:
        backbone: slug of the backbone that computed the features.
        images, test_images: numbers of images.
        near_duplicates: the most alike first; None for imported features, which have no pixels.
        suspects: the most suspect first.
        judged: number of images whose label was judged: those of classes with two images or more.
        wrong_share: estimated share of wrong labels, 0..1.
        accuracy: share of the held-out predictions that agree with the labels, 0..1.
    """

    dataset: str
    backbone: str
    images: int
    test_images: int
    near_duplicates: tuple[NearDuplicate, ...] | None
    suspects: tuple[SuspectImage, ...]
    judged: int
    wrong_share: float
    accuracy: float


def audit_images(dataset: str, backbone: str, context: RunContext) -> DatasetAudit:
    """The audit of a dataset on its centre views; features come from the cache or are stored there.

    They are always computed in fp32. Raises DataError for an image that cannot be read.
    """
    with device_arithmetic(context.device, Precision.FP32):
        torch.set_num_threads(context.threads)
        inputs = shared_inputs(backbone, context)
        splits = get_dataset(dataset).reader(context.data_root)
        listed = [(part, sample) for part in ("train", "val", "test") for sample in getattr(splits, part)]
        features = _features(inputs, splits.images, [sample for _, sample in listed])
    images = [AuditedImage(sample.key, part, splits.class_names[sample.label]) for part, sample in listed]
    labels = audit_labels(features, [sample.label for _, sample in listed])
    return DatasetAudit(
        dataset=dataset,
        backbone=inputs.backbone.slug,
        images=len(images),
        test_images=len(splits.test),
        near_duplicates=_near_duplicates(splits, images, features),
        suspects=tuple(
            SuspectImage(
                images[one.image],
                splits.class_names[one.suggested],
                one.label_probability,
                one.suggested_probability,
            )
            for one in labels.suspects
        ),
        judged=labels.judged,
        wrong_share=labels.share,
        accuracy=labels.accuracy,
    )


def _features(inputs: Inputs, images: Images, samples: Sequence[Sample]) -> NDArray[np.float32]:
    """Features `(n, dim)`, some at a time, so that an interrupted audit keeps what it computed."""
    parts = [samples[start : start + _IMAGES_AT_A_TIME] for start in range(0, len(samples), _IMAGES_AT_A_TIME)]
    return np.concatenate([inputs.features(images, part, CENTER_VIEW).cpu().numpy() for part in parts])


def _near_duplicates(
    splits: DatasetSplits, images: Sequence[AuditedImage], features: NDArray[np.float32]
) -> tuple[NearDuplicate, ...] | None:
    source = splits.images
    if isinstance(source, feature_bundle.FeatureRows):
        return None

    @lru_cache(maxsize=_PICTURES_IN_MEMORY)
    def picture(index: int) -> NDArray[np.float32]:
        return picture_of(source.load(images[index].key))

    found = []
    pairs = near_duplicates.close_pairs(features, np.flatnonzero([image.part == "test" for image in images]))
    with threadpool_limits(1):  # the matrices are too small to be worth threads
        for pair in pairs:
            image, other = images[pair.image], images[pair.other]
            if source.digest(image.key) == source.digest(other.key):
                continue  # the check of files names them
            likeness = near_duplicates.picture_likeness(picture(pair.image), picture(pair.other))
            if likeness >= near_duplicates.SAME_PICTURE:
                found.append(NearDuplicate(image, other, pair.cosine, likeness))
    return tuple(sorted(found, key=lambda one: -one.likeness))


def picture_of(image: Image.Image) -> NDArray[np.float32]:
    """Colours of an RGB image scaled to a square, as `picture_likeness` takes them."""
    size = (near_duplicates.PICTURE_SIDE, near_duplicates.PICTURE_SIDE)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), dtype=np.float32)
