"""Precomputed features as a dataset: for people whose images or models cannot leave their building.

A bundle is a folder `<name>/` with `bundle.json` (names, classes, where the rows came from) and `arrays.npz` (features
and labels by split, one text feature a class). It is imported once with every check, and then appears in the catalogue
as a dataset that lives on one backbone, the one its features were made with.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datasets_registry._custom.folders import custom_folders
from datasets_registry._errors import DataError
from datasets_registry._types import DatasetInfo, DatasetSplits, Sample

BUNDLE_VERSION = 1
SPLITS = ("train", "val", "test")
BACKBONE_PREFIX = "features"
"""First part of the slug of a backbone that exists only as features: `features.<name>`."""


class BundleFacts(BaseModel):
    """What `bundle.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = BUNDLE_VERSION
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    backbone: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="the model they came from")]
    class_names: tuple[str, ...]
    logit_scale: Annotated[float, Field(gt=0, description="factor on cosines; CLIP's is 100")] = 100.0
    dim: int
    source: str = ""
    sha256: str


class FeatureRows:
    """An `Images` source that has features and no pixels. A key is `split/row`."""

    def __init__(self, name: str, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        self.name = name
        self._arrays = arrays

    def load(self, key: str) -> Image.Image:
        """Always refuses: there are no pixels."""
        raise DataError(
            f"Dataset {self.name!r} holds imported features, no images ({key}); use a method that needs features only."
        )

    def digest(self, key: str) -> str:
        """SHA-256 of the feature itself."""
        return hashlib.sha256(self._row(key).tobytes()).hexdigest()

    def rows(self, keys: Sequence[str]) -> NDArray[np.float32]:
        """Features `(n, dim)` of some keys."""
        return np.stack([self._row(key) for key in keys])

    def _row(self, key: str) -> NDArray[np.float32]:
        split, _, row = key.partition("/")
        feature: NDArray[np.float32] = self._arrays[split][int(row)]
        return feature


class FeatureBundle:
    """One imported bundle on disk; arrays are read on first use.

    Raises:
        DataError: for a folder whose `bundle.json` is unreadable or of a newer version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "bundle.json"
        try:
            self.facts = BundleFacts.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise DataError(f"{path} describes no feature bundle ({_first_line(error)}); import it again.") from error
        if self.facts.version > BUNDLE_VERSION:
            raise DataError(
                f"{path} is of version {self.facts.version}, newer than the {BUNDLE_VERSION} known here; "
                "update clip-etl-bench."
            )

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name, checksum verified."""
        path = self.folder / "arrays.npz"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} is missing ({error.strerror}); import the features again.") from error
        if hashlib.sha256(content).hexdigest() != self.facts.sha256:
            raise DataError(f"{path} is not what was imported (its checksum differs); import the features again.")
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}

    @property
    def text_features(self) -> NDArray[np.float32]:
        """One row a class, `(n_cls, dim)`."""
        rows: NDArray[np.float32] = self.arrays["text_features"]
        return rows

    def splits(self) -> DatasetSplits:
        """The dataset as any reader gives it."""
        arrays = self.arrays
        images = FeatureRows(self.facts.name, {s: arrays[f"{s}_features"] for s in SPLITS})
        parts = {
            s: tuple(Sample(f"{s}/{i}", int(label)) for i, label in enumerate(arrays[f"{s}_labels"])) for s in SPLITS
        }
        return DatasetSplits(
            images=images,
            class_names=self.facts.class_names,
            train=parts["train"],
            val=parts["val"],
            test=parts["test"],
        )

    def info(self) -> DatasetInfo:
        """The catalogue entry."""
        f = self.facts
        return DatasetInfo(
            name=f.name,
            title=f.title,
            summary=f"Imported features of {f.backbone}; no images.",
            domain="imported features",
            num_classes=len(f.class_names),
            class_names=f.class_names,
            template="{}",
            licence="of whoever imported it",
            homepage="",
            citation="",
            reader=lambda _: self.splits(),
            backbone=f"{BACKBONE_PREFIX}.{f.backbone}",
        )


def find_bundles() -> list[FeatureBundle]:
    """All imported bundles in the folders of own datasets; of one name in two folders, the first counts."""
    found: dict[str, Path] = {}
    for folder in custom_folders(os.environ):
        for path in sorted(folder.glob("*/bundle.json")) if folder.is_dir() else []:
            if not path.parent.name.startswith("."):
                found.setdefault(path.parent.name, path.parent)
    return [FeatureBundle(folder) for _, folder in sorted(found.items())]


def import_bundle(
    *,
    name: str,
    backbone: str,
    class_names: Sequence[str],
    text_features: NDArray[Any],
    splits: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
    title: str = "",
    logit_scale: float = 100.0,
    source: str = "",
    home: Path | None = None,
) -> FeatureBundle:
    """Check arrays and write a bundle; nothing half-written is ever taken for whole.

    Args:
        name: of the dataset; a registry id.
        backbone: name of the model that made the features; letters, digits, `-` and `_`.
        class_names: in label order.
        text_features: `(n_cls, dim)`, one row a class.
        splits: features `(n, dim)` and labels `(n,)` of `train`, `test` and, if there is one, `val`.
        title: as it is written in tables.
        logit_scale: factor on cosines.
        source: where the arrays came from, for the record.
        home: folder of own datasets to write into; the first of `custom_folders` unless given.

    Raises:
        DataError: for arrays that do not fit one another, hold NaN, or labels out of range; each is named.
    """
    texts = _checked_features("text_features", text_features)
    n_cls, dim = texts.shape
    if len(class_names) != n_cls:
        raise DataError(
            f"There are {len(class_names)} class names but {n_cls} rows of text_features; give one a class."
        )
    repeated = {c for c in class_names if list(class_names).count(c) > 1} if n_cls < 5000 else set()
    arrays: dict[str, NDArray[Any]] = {"text_features": texts}
    for split in SPLITS:
        features, labels = splits.get(split, (np.zeros((0, dim), np.float32), np.zeros(0, np.int64)))
        arrays[f"{split}_features"] = _checked_features(f"{split} features", features, dim)
        arrays[f"{split}_labels"] = _checked_labels(split, labels, len(features), n_cls)
    for split in ("train", "test"):
        if not len(arrays[f"{split}_labels"]):
            raise DataError(f"The {split} split is empty; give features and labels for train and test.")
    names = _distinct(class_names, repeated)
    home = home or custom_folders(os.environ)[0]
    target = home / name
    if target.exists():
        raise DataError(f"{target} exists already; give another --name or remove the folder first.")
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".importing-", dir=home) as workplace:
        whole = Path(workplace) / "bundle"
        whole.mkdir()
        np.savez(whole / "arrays.npz", **arrays)  # type: ignore[arg-type]
        digest = hashlib.sha256((whole / "arrays.npz").read_bytes()).hexdigest()
        try:
            facts = BundleFacts(
                name=name, title=title or name, backbone=backbone, class_names=names, logit_scale=logit_scale,
                dim=dim, source=source, sha256=digest,
            )  # fmt: skip
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            raise DataError(f"{detail['loc'][0]} {detail['input']!r}: {detail['msg']}.") from error
        (whole / "bundle.json").write_text(json.dumps(facts.model_dump(mode="json"), indent=1, ensure_ascii=False))
        whole.rename(target)
    return FeatureBundle(target)


def _checked_features(what: str, features: NDArray[Any], dim: int | None = None) -> NDArray[np.float32]:
    if features.ndim != 2:
        raise DataError(f"{what} has shape {features.shape}; give a matrix with one row an image (or class).")
    if dim is not None and features.shape[1] != dim:
        raise DataError(f"{what} is {features.shape[1]} wide, text_features {dim}; both must come from one model.")
    rows = features.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise DataError(f"{what} holds NaN or infinite values in {len(bad)} rows, the first is row {bad[0]}.")
    zero = np.flatnonzero(~rows.any(axis=1))
    if len(zero):
        raise DataError(f"{what} holds {len(zero)} rows of zeros, the first is row {zero[0]}; a direction is needed.")
    return rows


def _checked_labels(split: str, labels: NDArray[Any], n: int, n_cls: int) -> NDArray[np.int64]:
    if labels.shape != (n,):
        raise DataError(f"{split} labels have shape {labels.shape}, but there are {n} features; give one label a row.")
    if n and not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{split} labels are {labels.dtype}; give whole numbers from 0 to {n_cls - 1}.")
    whole = labels.astype(np.int64)
    outside = np.flatnonzero((whole < 0) | (whole >= n_cls))
    if len(outside):
        raise DataError(
            f"{split} label {whole[outside[0]]} of row {outside[0]} is not in 0..{n_cls - 1}, "
            "the classes of text_features."
        )
    return whole


def _distinct(class_names: Sequence[str], repeated: set[str]) -> tuple[str, ...]:
    """Class names, repeated ones numbered: ImageNet's two `missile` become `missile (1)` and `missile (2)`."""
    seen: dict[str, int] = {}
    names = []
    for name in class_names:
        if name in repeated:
            seen[name] = seen.get(name, 0) + 1
            name = f"{name} ({seen[name]})"
        names.append(name)
    return tuple(names)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
