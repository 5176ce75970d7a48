"""Predictions of one run: as bytes of one safetensors blob, and checks of their columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from bench.bounds import CONTROL, LONGEST_NAME, MOST_IMAGES
from bench.errors import ShardError
from bench.record import TOP, Predictions
from bench.results.checksummed_json import DamagedError
from datasets_registry import EvalSplit

_COLUMNS = ("label", "predicted", "rank", "true_logit", "log_sum_exp", "sum_p2", "top_labels", "top_logits")
_FLOATS = ("true_logit", "log_sum_exp", "sum_p2", "top_logits")
_INTEGERS = tuple(name for name in _COLUMNS if name not in _FLOATS)
_GROUP = "group"


def pack_predictions(predictions: Sequence[Predictions]) -> bytes:
    """Predictions as one safetensors blob; equal predictions give equal bytes.

    Columns are stored as `<split>/<column>` (int32 and float32), image keys as newline-joined UTF-8 bytes, and groups
    of the images, if the dataset has some, as `<split>/group`. Raises ShardError if columns differ in length or an
    image key contains a line break.
    """
    tensors: dict[str, np.ndarray] = {}
    for item in predictions:
        if any("\n" in image for image in item.images):
            raise ShardError(f"An image key of split {item.split!r} contains a line break; rename that file.")
        grouped = {} if item.group is None else {_GROUP: item.group}
        lengths = {name: len(getattr(item, name)) for name in _COLUMNS} | {"images": len(item.images)}
        lengths |= {name: len(column) for name, column in grouped.items()}
        if len(set(lengths.values())) != 1:
            raise ShardError(f"Columns of split {item.split!r} differ in length: {lengths}.")
        tensors[f"{item.split}/images"] = np.frombuffer("\n".join(item.images).encode(), dtype=np.uint8)
        for name in _COLUMNS:
            dtype = np.float32 if name in _FLOATS else np.int32
            tensors[f"{item.split}/{name}"] = np.ascontiguousarray(getattr(item, name), dtype=dtype)
        for name, column in grouped.items():
            tensors[f"{item.split}/{name}"] = np.ascontiguousarray(column, dtype=np.int32)
    return safetensors.numpy.save(tensors)


def unpack_predictions(packed: bytes) -> tuple[Predictions, ...]:
    """The inverse of `pack_predictions`, with splits sorted by name; raises DamagedError for other bytes.

    Columns of earlier versions, such as those of the open score, are left out.
    """
    try:
        tensors = safetensors.numpy.load(packed)
    except SafetensorError as error:
        raise DamagedError(f"the predictions file is not safetensors: {error}") from error
    images = sum(column.size for name, column in tensors.items() if name.endswith("/label"))
    if images > MOST_IMAGES:
        raise DamagedError(f"it has predictions of {images} images, and at most {MOST_IMAGES} are read")
    return tuple(_split(split, tensors) for split in sorted({name.partition("/")[0] for name in tensors}))


def _split(split: str, tensors: Mapping[str, np.ndarray]) -> Predictions:
    """The predictions of one split; raises DamagedError if a column is missing or has another shape than the images."""
    missing = [name for name in ("images", *_COLUMNS) if f"{split}/{name}" not in tensors]
    if missing:
        raise DamagedError(f"the predictions of {split!r} have no column {', '.join(missing)}")
    columns = {name: tensors[f"{split}/{name}"] for name in _COLUMNS}
    packed = tensors[f"{split}/images"].tobytes()
    keys, n = packed.count(b"\n") + 1 if packed else 0, columns["label"].size
    if keys != n:  # each key becomes an object, so they are counted before
        raise DamagedError(f"split {split!r} has {keys} image keys and {n} labels")
    try:
        images = tuple(packed.decode().split("\n")) if packed else ()
    except UnicodeDecodeError as error:
        raise DamagedError(f"the image keys of {split!r} are not text") from error
    for name, column in columns.items():
        dtype = np.float32 if name in _FLOATS else np.int32
        if column.dtype != dtype or len(column.shape) != 1 + name.startswith("top_") or len(column) != len(images):
            raise DamagedError(
                f"column {name} of {split!r} is {column.dtype} {column.shape}, which does not fit {len(images)} images"
            )
    group = tensors.get(f"{split}/{_GROUP}")
    if group is not None and (group.dtype != np.int32 or group.shape != (n,)):
        raise DamagedError(f"the groups of {split!r} do not fit {n} images")
    return Predictions(split=split, images=images, **columns, group=group)


LONGEST_KEY = 20 * LONGEST_NAME
"""Longest key of an image, in characters; a key is a path."""


def impossible_columns(item: Predictions, n_classes: int) -> str:
    """Why a classifier of `n_classes` classes cannot produce these columns, in one sentence; empty if it can.

    Bounds allow for the rounding of float32 columns.
    """
    problem = _shapes(item, n_classes) or _images(item) or _groups(item)
    return problem or _ranges(item, n_classes) or _logits(item, n_classes)


def _shapes(item: Predictions, n_classes: int) -> str:
    n, width = len(item.images), min(TOP, n_classes)
    for name in _COLUMNS:
        column, expected = getattr(item, name), (n, width) if name.startswith("top_") else (n,)
        if column.shape != expected:
            return f"{name} has shape {column.shape}, and {n} images of {n_classes} classes need {expected}"
        kind = np.floating if name in _FLOATS else np.integer
        if not np.issubdtype(column.dtype, kind):
            return f"{name} holds {column.dtype}, not {'numbers' if name in _FLOATS else 'whole numbers'}"
    return "" if n else "there are no images"


def _images(item: Predictions) -> str:
    if repeated := len(item.images) - len(set(item.images)):
        return f"{repeated} images are listed more than once"
    if any(not key or len(key) > LONGEST_KEY for key in item.images):
        return f"the key of an image is empty or longer than {LONGEST_KEY} characters"
    return "the key of an image contains control characters" if CONTROL.search("".join(item.images)) else ""


def _groups(item: Predictions) -> str:
    if item.group is not None and (item.group.min() < -1 or item.group.max() >= MOST_IMAGES):
        return f"the numbers of groups are not all in -1..{MOST_IMAGES - 1}"
    return ""


def _ranges(item: Predictions, n_classes: int) -> str:
    for name in _FLOATS:
        if not np.isfinite(getattr(item, name)).all():
            return f"{name} is not finite everywhere"
    for name in _INTEGERS:
        column = getattr(item, name)
        if column.min() < 0 or column.max() >= n_classes:
            return f"{'ranks' if name == 'rank' else 'classes'} are not all in 0..{n_classes - 1} ({name})"
    return ""


def _logits(item: Predictions, n_classes: int) -> str:
    top = item.top_logits.astype(np.float64)
    true, log_sum, sum_p2 = (getattr(item, name).astype(np.float64) for name in ("true_logit", "log_sum_exp", "sum_p2"))
    width = top.shape[1]
    slack = 1e-4 + 4e-7 * np.maximum(np.abs(top).max(axis=1), np.abs(log_sum))
    shares = np.exp(np.minimum(top - log_sum[:, None], 1.0))
    mass_of_top = shares.sum(axis=1)
    most = mass_of_top + (n_classes - width) * shares[:, -1]
    listed = item.top_labels == item.label[:, None]
    place = np.minimum(item.rank, width - 1)[:, None]
    at_rank = np.take_along_axis(listed, place, axis=1)[:, 0]
    logit_at_rank = np.take_along_axis(top, place, axis=1)[:, 0]
    ordered = np.sort(item.top_labels, axis=1)
    checks = {
        "the top classes of an image are not distinct": (ordered[:, 1:] == ordered[:, :-1]).any(axis=1),
        "the top logits of an image do not fall": (np.diff(top, axis=1) > 0).any(axis=1),
        "the predicted classes are not those with the highest logit": item.predicted != item.top_labels[:, 0],
        "the ranks of the true classes contradict the predicted classes": (item.rank == 0)
        != (item.predicted == item.label),
        "the ranks of the true classes contradict the top classes": np.where(
            item.rank < width, ~at_rank, listed.any(axis=1)
        ),
        "the logits of the true classes contradict the top logits": np.where(
            item.rank < width, true != logit_at_rank, true > top[:, -1]
        ),
        "log-sums are impossible for the top logits": (mass_of_top > 1 + 2 * slack) | (most < 1 - 2 * slack),
        "sums of squared probabilities are impossible for the top logits": (
            sum_p2 < (shares**2).sum(axis=1) - 2 * slack
        )
        | (sum_p2 > shares[:, 0] + 2 * slack),
    }
    failures = ((text, int(wrong.sum())) for text, wrong in checks.items())
    return next((f"{text} ({wrong} of {len(top)} images)" for text, wrong in failures if wrong), "")


@dataclass(frozen=True)
class TrueLabels:
    """Test images, their labels and groups `(n,)`, and their source, for messages. Groups may be unknown (None)."""

    images: tuple[str, ...]
    label: np.ndarray
    source: str
    group: np.ndarray | None = None

    @classmethod
    def of(cls, split: EvalSplit, source: str) -> Self:
        """Those of a split on disk. If the dataset gives no groups, no image has one."""
        label, group = np.array([sample.label for sample in split.samples]), split.groups()
        group = np.full_like(label, -1) if group is None else group
        return cls(tuple(sample.key for sample in split.samples), label, source, group)

    def disagreement(self, item: Predictions) -> str | None:
        """How the images, labels or groups of predictions differ from these; None if they are equal.

        Predictions without groups agree with any, since older runs have none.
        """
        label = dict(zip(self.images, self.label.tolist(), strict=True))
        pairs = zip(item.images, item.label.tolist(), strict=True)
        if wrong := sum(label.get(image, truth) != truth for image, truth in pairs):
            return (
                f"{item.split}: the true labels of {wrong} of {len(item.images)} images are not those of {self.source}"
            )
        if set(item.images) != set(self.images):
            return f"{item.split}: its test images are not those of {self.source}"
        if self.group is None or item.group is None:
            return None
        group = dict(zip(self.images, self.group.tolist(), strict=True))
        if wrong := sum(group[image] != number for image, number in zip(item.images, item.group.tolist(), strict=True)):
            return f"{item.split}: the groups of {wrong} of {len(item.images)} images are not those of {self.source}"
        return None
