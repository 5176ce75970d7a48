"""Predictions as bytes: one safetensors blob per run. Equal predictions give equal bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from bench.errors import ShardError
from bench.record import Branches, OpenColumns, Predictions
from bench.results.checksummed_json import DamagedError

_COLUMNS = ("label", "predicted", "rank", "true_logit", "log_sum_exp", "sum_p2", "top_labels", "top_logits")
_FLOATS = frozenset({"true_logit", "log_sum_exp", "sum_p2", "top_logits"})
_BRANCHES = tuple(column.name for column in fields(Branches))
_BRANCH = "branch."
_OPEN = {"base_confidence": np.float32, "within": np.int32}
_OPEN_PREFIX = "open."


def pack_predictions(predictions: Sequence[Predictions]) -> bytes:
    """Predictions as one safetensors blob; equal predictions give equal bytes.

    Columns are stored as `<split>/<column>` (int32 and float32), and image keys as newline-joined UTF-8 bytes. The
    branches of an ensemble are `<split>/branch.<name>`, and columns of the open score `<split>/open.<name>`. Raises
    ShardError if columns differ in length or an image key contains a line break.
    """
    tensors: dict[str, np.ndarray] = {}
    for item in predictions:
        if any("\n" in image for image in item.images):
            raise ShardError(f"An image key of split {item.split!r} contains a line break; rename that file.")
        opened = {} if item.open is None else {name: getattr(item.open, name) for name in _OPEN}
        lengths = {name: len(getattr(item, name)) for name in _COLUMNS} | {"images": len(item.images)}
        lengths |= {name: len(column) for name, column in opened.items()}
        if len(set(lengths.values())) != 1:
            raise ShardError(f"Columns of split {item.split!r} differ in length: {lengths}.")
        tensors[f"{item.split}/images"] = np.frombuffer("\n".join(item.images).encode(), dtype=np.uint8)
        for name in _COLUMNS:
            dtype = np.float32 if name in _FLOATS else np.int32
            tensors[f"{item.split}/{name}"] = np.ascontiguousarray(getattr(item, name), dtype=dtype)
        for name, column in opened.items():
            tensors[f"{item.split}/{_OPEN_PREFIX}{name}"] = np.ascontiguousarray(column, dtype=_OPEN[name])
        if item.branches is not None:
            for name in _BRANCHES:
                column = np.ascontiguousarray(getattr(item.branches, name), dtype=np.float32)
                tensors[f"{item.split}/{_BRANCH}{name}"] = column
    return safetensors.numpy.save(tensors)


def unpack_predictions(packed: bytes) -> tuple[Predictions, ...]:
    """The inverse of `pack_predictions`, with splits sorted by name; raises DamagedError for other bytes."""
    try:
        tensors = safetensors.numpy.load(packed)
    except SafetensorError as error:
        raise DamagedError(f"the predictions file is not safetensors: {error}") from error
    return tuple(_split(split, tensors) for split in sorted({name.partition("/")[0] for name in tensors}))


def _split(split: str, tensors: Mapping[str, np.ndarray]) -> Predictions:
    """The predictions of one split; raises DamagedError if a column is missing or has another shape than the images."""
    missing = [name for name in ("images", *_COLUMNS) if f"{split}/{name}" not in tensors]
    if missing:
        raise DamagedError(f"the predictions of {split!r} have no column {', '.join(missing)}")
    columns = {name: tensors[f"{split}/{name}"] for name in _COLUMNS}
    try:
        text = tensors[f"{split}/images"].tobytes().decode()
    except UnicodeDecodeError as error:
        raise DamagedError(f"the image keys of {split!r} are not text") from error
    images = tuple(text.split("\n")) if text else ()
    for name, column in columns.items():
        dtype = np.float32 if name in _FLOATS else np.int32
        if column.dtype != dtype or len(column.shape) != 1 + name.startswith("top_") or len(column) != len(images):
            raise DamagedError(
                f"column {name} of {split!r} is {column.dtype} {column.shape}, which does not fit {len(images)} images"
            )
    found = {name: tensors[key] for name in _BRANCHES if (key := f"{split}/{_BRANCH}{name}") in tensors}
    if found and len(found) < len(_BRANCHES):
        raise DamagedError(f"the branches of {split!r} are incomplete")
    return Predictions(
        split=split,
        images=images,
        **columns,
        branches=Branches(**found) if found else None,
        open=_open_columns(split, len(images), tensors),
    )


def _open_columns(split: str, n: int, tensors: Mapping[str, np.ndarray]) -> OpenColumns | None:
    found = {name: tensors[key] for name in _OPEN if (key := f"{split}/{_OPEN_PREFIX}{name}") in tensors}
    if not found:
        return None
    if any(
        name not in found or found[name].dtype != dtype or found[name].shape != (n,) for name, dtype in _OPEN.items()
    ):
        raise DamagedError(f"the columns of the open score of {split!r} do not fit {n} images")
    return OpenColumns(**found)
