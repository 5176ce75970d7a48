"""Precomputed features as a dataset, for users who cannot share their images or models.

A bundle is a folder `<name>/` with `bundle.json` (names, classes, source) and `arrays.npz` (features and labels by
part, and one text feature per class). It is validated once, at import, and then appears in the catalogue as a dataset
for the one backbone that computed the features.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datasets_registry._errors import DataError
from datasets_registry._limits import LARGEST_CLASS_LIST
from datasets_registry._readers.arrays import read_npz
from datasets_registry._readers.foreign_files import read_bytes, regular_file
from datasets_registry._registry import custom_files, custom_folders
from datasets_registry._types import BACKBONE_PREFIX, PARTS, DatasetInfo, DatasetSplits, Sample

FEATURE_BUNDLE_VERSION = 1


class BundleFacts(BaseModel):
    """The content of `bundle.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = FEATURE_BUNDLE_VERSION
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    backbone: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="the model that computed them")]
    class_names: tuple[str, ...]
    logit_scale: Annotated[float, Field(gt=0, description="factor on cosines; CLIP's is 100")] = 100.0
    dim: int
    source: str = ""
    sha256: str


class FeatureBundle:
    """One imported bundle on disk; arrays are read on first use.

    It is an `Images` source with features instead of pixels. A key is `part/row`.

    Raises DataError if `bundle.json` is unreadable or of a newer version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "bundle.json"
        try:
            self.facts = BundleFacts.model_validate_json(read_bytes(path, LARGEST_CLASS_LIST))
        except (OSError, ValidationError) as error:
            raise DataError(
                f"{path} does not describe a feature bundle ({str(error).splitlines()[0]}); import it again."
            ) from error
        if self.facts.version > FEATURE_BUNDLE_VERSION:
            raise DataError(
                f"{path} is of version {self.facts.version}, newer than the {FEATURE_BUNDLE_VERSION} known here; "
                "update clip-etl-bench."
            )

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name, after verification of the checksum."""
        path = self.folder / "arrays.npz"
        try:
            with regular_file(path).open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{path} is missing ({error.strerror}); import the features again.") from error
        if digest != self.facts.sha256:
            raise DataError(f"{path} changed since it was imported (its checksum differs); import the features again.")
        try:
            return read_npz(path)
        except Exception as error:  # numpy raises errors of many kinds for damaged files
            raise DataError(f"{path} cannot be read as arrays ({error}); import the features again.") from error

    @property
    def text_features(self) -> NDArray[np.float32]:
        """Text features, shape `(n_cls, dim)`."""
        return self.arrays["text_features"]

    def load(self, key: str) -> Image.Image:
        """Always raises DataError, because there are no pixels."""
        raise DataError(
            f"Dataset {self.facts.name!r} has imported features, not images ({key}); use a method that needs only "
            "features."
        )

    def digest(self, key: str) -> str:
        """Hex SHA-256 of the feature vector."""
        return hashlib.sha256(self._row(key).tobytes()).hexdigest()

    def rows(self, keys: Sequence[str], view: str) -> NDArray[np.float32]:  # noqa: ARG002
        """Features of the keys, shape `(n, dim)`; `view` is the key of a view, and all views have the same features."""
        return np.stack([self._row(key) for key in keys])

    def _row(self, key: str) -> NDArray[np.float32]:
        split, _, row = key.partition("/")
        return np.asarray(self.arrays[f"{split}_features"][int(row)])

    def splits(self) -> DatasetSplits:
        """The splits, as from any reader."""
        arrays = self.arrays
        train, val, test = (tuple(_samples(s, arrays[f"{s}_labels"], arrays.get(f"{s}_groups"))) for s in PARTS)
        return DatasetSplits(self, self.facts.class_names, train, val, test)

    def info(self) -> DatasetInfo:
        """The catalogue entry."""
        f = self.facts
        return DatasetInfo(
            name=f.name, title=f.title, summary=f"Imported features of {f.backbone}; no images.",
            domain="imported features", num_classes=len(f.class_names), class_names=f.class_names, template="{}",
            licence="of the person who imported it", homepage="", citation="", reader=lambda _: self.splits(),
            backbone=f"{BACKBONE_PREFIX}.{f.backbone}",
        )  # fmt: skip


def _samples(split: str, labels: NDArray[np.int64], groups: NDArray[np.str_] | None) -> Iterator[Sample]:
    names = repeat("", len(labels)) if groups is None else groups
    for row, (label, group) in enumerate(zip(labels, names, strict=True)):
        yield Sample(f"{split}/{row}", int(label), str(group) or None)


def find_bundles() -> list[FeatureBundle]:
    """All imported bundles, sorted by name; if a name occurs in two custom folders, the first is used."""
    folders = [path.parent for path in custom_files("*/bundle.json") if not path.parent.name.startswith(".")]
    by_name = {folder.name: folder for folder in reversed(folders)}
    return [FeatureBundle(folder) for _, folder in sorted(by_name.items())]


def import_feature_bundle(
    *,
    name: str,
    backbone: str,
    class_names: Sequence[str],
    text_features: NDArray[Any],
    splits: Mapping[str, tuple[NDArray[Any], ...]],
    title: str = "",
    logit_scale: float = 100.0,
    source: str = "",
    home: Path | None = None,
) -> FeatureBundle:
    """Validate arrays and write a bundle. The bundle appears under its name only when it is complete.

    Args:
        backbone: name of the model that computed the features; letters, digits, `-` and `_`.
        class_names: in label order; repeated names are numbered.
        text_features: shape `(n_cls, dim)`.
        splits: features `(n, dim)`, labels `(n,)` and, optionally, groups `(n,)` of `train`, `test` and, optionally,
            `val`. Groups are texts or integers, such as numbers of patients; an empty text is no group.
        logit_scale: factor on cosines; CLIP's is 100.
        source: where the arrays came from.
        home: folder to write to; default: the first of `custom_folders`.

    Raises:
        DataError: shapes do not match, a value is NaN or infinite, or a label is out of range. The message names the
            array.
    """
    texts = _checked_features("text_features", text_features)
    n_cls, dim = texts.shape
    if len(class_names) != n_cls:
        raise DataError(
            f"There are {len(class_names)} class names but {n_cls} rows of text_features; give one per class."
        )
    arrays: dict[str, NDArray[Any]] = {"text_features": texts}
    for split in PARTS:
        features, labels, *groups = splits.get(split, (np.zeros((0, dim), np.float32), np.zeros(0, np.int64)))
        arrays[f"{split}_features"] = _checked_features(f"{split} features", features, dim)
        arrays[f"{split}_labels"] = _checked_labels(split, labels, len(features), n_cls)
        if groups:
            arrays[f"{split}_groups"] = _checked_groups(split, *groups, n=len(features))
    for split in ("train", "test"):
        if not len(arrays[f"{split}_labels"]):
            raise DataError(f"The {split} split is empty; give features and labels for train and test.")
    home = home or custom_folders()[0]
    target = home / name
    if target.exists():
        raise DataError(f"{target} already exists; give another --name or remove the folder first.")
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".importing-", dir=home) as workplace:
        whole = Path(workplace) / "bundle"
        whole.mkdir()
        np.savez(whole / "arrays.npz", **arrays)  # type: ignore[arg-type]
        digest = hashlib.sha256((whole / "arrays.npz").read_bytes()).hexdigest()
        try:
            facts = BundleFacts(
                name=name, title=title or name, backbone=backbone, class_names=_distinct(class_names),
                logit_scale=logit_scale, dim=dim, source=source, sha256=digest,
            )  # fmt: skip
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            raise DataError(f"{detail['loc'][0]} {detail['input']!r}: {detail['msg']}.") from error
        (whole / "bundle.json").write_text(facts.model_dump_json(indent=1), encoding="utf-8")
        whole.rename(target)
    return FeatureBundle(target)


def _checked_features(what: str, features: NDArray[Any], dim: int | None = None) -> NDArray[np.float32]:
    if features.ndim != 2:
        raise DataError(f"{what} has shape {features.shape}; give a matrix with one row per image (or class).")
    if dim is not None and features.shape[1] != dim:
        raise DataError(f"{what} has {features.shape[1]} columns, text_features {dim}; both must come from one model.")
    rows = features.astype(np.float32)
    if len(bad := np.flatnonzero(~np.isfinite(rows).all(axis=1))):
        raise DataError(f"{what} contains NaN or infinite values in {len(bad)} rows, first in row {bad[0]}.")
    if len(zero := np.flatnonzero(~rows.any(axis=1))):
        raise DataError(f"{what} contains {len(zero)} rows of zeros, first row {zero[0]}; give non-zero vectors.")
    return rows


def _checked_labels(split: str, labels: NDArray[Any], n: int, n_cls: int) -> NDArray[np.int64]:
    if labels.shape != (n,):
        raise DataError(
            f"{split} labels have shape {labels.shape}, but there are {n} features; give one label per row."
        )
    if n and not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{split} labels are {labels.dtype}; give integers from 0 to {n_cls - 1}.")
    whole = labels.astype(np.int64)
    if len(outside := np.flatnonzero((whole < 0) | (whole >= n_cls))):
        raise DataError(
            f"{split} label {whole[outside[0]]} of row {outside[0]} is not in 0..{n_cls - 1}, "
            "the classes of text_features."
        )
    return whole


def _checked_groups(split: str, groups: NDArray[Any], *, n: int) -> NDArray[np.str_]:
    if groups.shape != (n,) or groups.dtype.kind not in "iuU":
        raise DataError(
            f"{split} groups are {groups.dtype} of shape {groups.shape}; give one text or integer for each of the {n} "
            "features."
        )
    return groups.astype(np.str_)


def _distinct(class_names: Sequence[str]) -> tuple[str, ...]:
    """Class names with numbers for repeated names: ImageNet's two `missile` become `missile (1)` and `missile (2)`."""
    return tuple(
        f"{name} ({class_names[: i + 1].count(name)})" if class_names.count(name) > 1 else name
        for i, name in enumerate(class_names)
    )
