"""Reads files of predictions that were computed elsewhere. Nothing in a file is believed here.

The format, version 1, is an `.npz` file with the arrays `head` (text: JSON that describes the run), `keys` (paths of
the test images), `labels`, `scores` (one of each class), and optionally `sha256` (digests of the image files).
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from bench.bounds import MOST_CLASSES, MOST_IMAGES, ClassName, Count, LargeCount, Line, Positive, Settings
from datasets_registry import GIB, DataError, foreign_files, read_npz
from methods import Extra

FORMAT = "clip-etl-bench predictions 1"
LARGEST_FILE = 4 * GIB
"""Bytes of a file; 50,000 images with 1,000 scores each have 0.2 GiB."""
LARGEST_SCORE = 1e30
"""Larger scores do not fit into the 32 bits of stored predictions, or their sums do not."""
Stated = Annotated[Line, Field(max_length=200)]
"""A short text; empty if it is not stated."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
SupportImage = tuple[Key, Count] | tuple[Key, Count, Sha256]


class Head(BaseModel):
    """What a file says about its run."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal["clip-etl-bench predictions 1"]
    method: Annotated[Line, Field(min_length=1, max_length=100)]
    dataset: Annotated[Line, Field(min_length=1, max_length=200)]
    classes: Literal["all", "base", "new"] = "all"
    class_names: list[ClassName] = Field(min_length=2, max_length=MOST_CLASSES)
    backbone: Stated = Field("", description="the CLIP whose features are used")
    model: Stated = Field("", description="any other model; a file names either")
    backbone_sha256: Sha256 | None = None
    seed: LargeCount = 0
    shots: int = Field(0, ge=-1)
    trained: bool = Field(True, description="whether the training was part of this process")
    train: list[SupportImage] = Field(default_factory=list, max_length=MOST_IMAGES)
    val: list[SupportImage] = Field(default_factory=list, max_length=MOST_IMAGES)
    uses: list[Extra] | None = Field(None, description="what it sees besides the labelled images; None: not stated")
    tests_so_far: Positive = 1
    repository: Line = ""
    commit: Line = ""
    changed_files: list[Line] = Field(default_factory=list)
    command: Line = ""
    torch: Line = ""
    settings: Settings = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if bool(self.backbone) == bool(self.model):
            raise ValueError("give `backbone` for a CLIP, or `model` for any other model, and not both")
        return self


@dataclass(frozen=True)
class PredictionFile:
    """A file that was read: `n` test images and a score of each class.

    Args:
        digest: hex SHA-256 of the file.
        labels: `(n,)`.
        scores: `(n, n_classes)`, float64, finite.
        sha256: digest of each image file; None if the file has none.
    """

    source: Path
    digest: str
    head: Head
    keys: tuple[str, ...]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    sha256: tuple[str, ...] | None


def read_predictions(path: Path) -> PredictionFile:
    """Read a file. Raises DataError, naming the file and the place, for anything else."""
    try:
        predictions = _read_arrays(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))[:100] or "a field"
        what = first["msg"].removeprefix("Value error, ")[:200].rstrip(".")
        raise DataError(f"{path}: {place} in its head: {what}. {_HELP}") from error
    except (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error) as error:
        reason = str(error)[:200].rstrip(".")  # zipfile repeats bytes of the file
        raise DataError(f"{path} is not a file of predictions: {reason}. {_HELP}") from error
    _check(predictions)
    return predictions


_HELP = "`etl-bench doctor docs add-a-method` has the format, and the lines that write it."


def _read_arrays(path: Path) -> PredictionFile:
    arrays = read_npz(path)
    if missing := {"head", "keys", "labels", "scores"} - arrays.keys():
        raise ValueError(f"it has no array {', '.join(sorted(missing))}")
    head = Head.model_validate(foreign_files.parse_json(str(arrays["head"]).encode(), unique=True))
    keys, labels, scores = arrays["keys"], arrays["labels"], arrays["scores"]
    if keys.dtype.kind != "U" or labels.dtype.kind not in "iu" or scores.dtype.kind != "f" or scores.ndim != 2:
        raise ValueError("its arrays must be keys (texts), labels (whole numbers) and scores (a table of numbers)")
    digests = arrays.get("sha256")
    return PredictionFile(
        path,
        hashlib.sha256(foreign_files.read_bytes(path, LARGEST_FILE)).hexdigest(),
        head,
        tuple(map(str, keys.tolist())),
        labels.astype(np.int64).reshape(-1),
        scores.astype(np.float64),
        None if digests is None else tuple(map(str, digests.tolist())),
    )


def _check(predictions: PredictionFile) -> None:
    """Raise DataError for columns that do not fit each other or the class names."""
    n, classes, path = len(predictions.keys), len(predictions.head.class_names), predictions.source
    lengths = {"labels": len(predictions.labels), "scores": len(predictions.scores)}
    lengths["sha256"] = n if predictions.sha256 is None else len(predictions.sha256)
    if wrong := {name: length for name, length in lengths.items() if length != n}:
        raise DataError(f"{path} has {n} keys and {wrong} entries; each image needs one of each.")
    if not n:
        raise DataError(f"{path} has a head and no image.")
    if n > MOST_IMAGES:
        raise DataError(f"{path} has more than {MOST_IMAGES} images.")
    if predictions.labels.min() < 0 or predictions.labels.max() >= classes:
        raise DataError(f"{path} has labels outside 0..{classes - 1}, the positions of its {classes} class names.")
    if predictions.scores.shape[1] != classes:
        raise DataError(f"{path} has {predictions.scores.shape[1]} scores per image and {classes} class names.")
    bad = np.flatnonzero(~(np.abs(predictions.scores) <= LARGEST_SCORE).all(axis=1))
    if len(bad):
        raise DataError(
            f"{path}: the scores of {len(bad)} of {n} images are not finite or beyond {LARGEST_SCORE:.0e}, first "
            f"of {predictions.keys[bad[0]]!r:.100}; the model produced NaN, infinity or huge numbers."
        )
