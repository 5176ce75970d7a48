"""Support sets as files: writes the images of a draw, and reads a list and validates it against the dataset.

There are two formats. One is a JSON object with dataset, draw, shots, seed, class names, and the key, label and content
digest of every image; it is also the format that is written. The other is JSON lines as published with 2SFS: one object
per image, with `path` or `impath` and `label`; parent folders before a known key are ignored.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from datasets_registry._draws.few_shot_draws import FewShotDraw
from datasets_registry._errors import DataError
from datasets_registry._limits import LARGEST_JSON
from datasets_registry._readers.foreign_files import parse_json, read_bytes
from datasets_registry._types import DatasetInfo, DatasetSplits, FewShotTask, Sample, SupportSet

FORMAT = "clip-etl-bench support list 1"
_PATH_KEYS = ("impath", "path", "image", "key")


@dataclass(frozen=True)
class ListedImage:
    """One image of a list: its path, its label, and optionally its class name and content digest.

    `true_label` is the dataset's label if the list has a wrong label on purpose (`noisy:RATE`).
    """

    path: str
    label: int
    name: str | None = None
    digest: str | None = None
    true_label: int | None = None


@dataclass(frozen=True)
class SupportList:
    """A list of support images and, often, no validation images, in list order.

    Args:
        source: the file, for messages.
        digest: hex SHA-256 of the file (first 32 digits), which identifies the list.
        dataset: the dataset that the list names, or None.
        shots: the largest number of images per class.
    """

    source: Path
    digest: str
    dataset: str | None
    shots: int
    seed: int | None
    train: tuple[ListedImage, ...]
    val: tuple[ListedImage, ...]


def support_manifest(task: FewShotTask) -> dict[str, Any]:
    """The support set of a task as plain values for JSON."""
    return {
        "format": FORMAT,
        "dataset": task.dataset,
        "draw": task.draw,
        "shots": task.shots,
        "seed": task.seed,
        "class_names": list(task.support.classes.names),
        "fingerprint": task.fingerprint,
        **({"fewer_than_shots": dict(task.short)} if task.short else {}),
        **({"support_rule": task.rule} if task.rule else {}),
        **({"true_labels": dict(task.relabelled)} if task.relabelled else {}),
        "train": _rows(task.support),
        "val": _rows(task.validation),
    }


def _rows(support: SupportSet) -> list[dict[str, Any]]:
    return [{"key": s.key, "label": s.label, "digest": support.images.digest(s.key)} for s in support.samples]


def read_support_list(path: Path) -> SupportList:
    """Read a list of either format. Raises DataError, naming the file and the line or entry, if it is invalid."""
    try:
        content = read_bytes(path, LARGEST_JSON)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Support list {path} cannot be read ({error}). Give a JSON or JSON-lines file.") from error
    digest = hashlib.sha256(content).hexdigest()[:32]
    try:
        whole = parse_json(content)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and whole.get("format") == FORMAT:
        return _parse_manifest(path, digest, whole)
    rows = [line for line in text.splitlines() if line.strip()]
    train: list[ListedImage] = []
    for number, row in enumerate(rows, 1):
        try:
            train.append(_listed(path, f"line {number}", parse_json(row.encode())))
        except ValueError as error:
            raise _malformed(path, f"line {number} is not JSON ({error})") from error
    if not train:
        raise _malformed(path, "it lists no image")
    shots = max(Counter(item.label for item in train).values())
    return SupportList(path, digest, None, shots, None, tuple(train), ())


def resolve_support_list(support_list: SupportList, info: DatasetInfo, splits: DatasetSplits) -> FewShotDraw:
    """The listed images as samples of the dataset.

    Raises DataError if an image is not in the dataset's train or val list, is a test image, occurs twice, or has a
    different label, class name or content there, or if a class has no image.
    """
    if support_list.dataset not in (None, info.name):
        raise DataError(
            f"Support list {support_list.source} is for dataset {support_list.dataset!r}, not {info.name!r}; "
            f"run it with -d {support_list.dataset}."
        )
    train, val = (_resolved(part, support_list, info, splits) for part in (support_list.train, support_list.val))
    if again := [key for key, n in Counter(sample.key for sample in (*train, *val)).items() if n > 1]:
        raise DataError(
            f"Support list {support_list.source} contains the image {again[0]!r} twice; list every image once."
        )
    covered = {sample.label for sample in train}
    if without := [name for label, name in enumerate(splits.class_names) if label not in covered]:
        raise DataError(
            f"Support list {support_list.source} has no image of class {without[0]!r} ({len(without)} such) of dataset "
            f"{info.name!r}; it must cover all {len(splits.class_names)} classes."
        )
    return FewShotDraw(train, val)


def _resolved(
    part: Sequence[ListedImage], support_list: SupportList, info: DatasetInfo, splits: DatasetSplits
) -> tuple[Sample, ...]:
    samples_by_key = {sample.key: sample for sample in (*splits.train, *splits.val)}
    samples = []
    for item in part:
        if (key := _key(item.path, samples_by_key)) is None:
            is_test = _key(item.path, {sample.key for sample in splits.test})
            what = "is a test image of" if is_test else "is not in"
            raise DataError(
                f"Image {item.path!r} of support list {support_list.source} {what} dataset {info.name!r}. "
                f"Lists contain images of the training or validation part, by their path in the split file."
            )
        sample = samples_by_key[key]
        name = splits.class_names[sample.label]
        stated = item.label if item.true_label is None else item.true_label
        if stated != sample.label or item.name not in (None, name, name.replace("_", " ")):
            raise DataError(
                f"Image {item.path!r} of support list {support_list.source} has label {stated}"
                f"{f' ({item.name})' if item.name else ''}, but {sample.label} ({name}) in dataset {info.name!r}. "
                f"The list uses other labels; renumber it."
            )
        if item.digest is not None and (digest := splits.images.digest(key)) != item.digest:
            raise DataError(
                f"Image {key!r} has digest {digest[:12]} here, but {item.digest[:12]} in support list "
                f"{support_list.source}: its content differs. Get the same copy of the dataset, or draw again."
            )
        if not 0 <= item.label < len(splits.class_names):
            raise DataError(
                f"Image {item.path!r} of support list {support_list.source} has label {item.label}, but dataset "
                f"{info.name!r} has {len(splits.class_names)} classes, with labels from 0."
            )
        samples.append(replace(sample, label=item.label))
    return tuple(samples)


def _key(path: str, keys: Container[str]) -> str | None:
    """The longest suffix of a path that is a key."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return next((key for i in range(len(parts)) if (key := "/".join(parts[i:])) in keys), None)


def _parse_manifest(path: Path, digest: str, content: Mapping[str, Any]) -> SupportList:
    for name, kind in {"dataset": str, "shots": int, "seed": int, "train": list, "val": list}.items():
        if type(content.get(name)) is not kind:
            raise _malformed(path, f"{name!r} must be {kind.__name__}, but is {content.get(name)!r:.60}")
    true = content.get("true_labels", {})
    if not isinstance(true, dict) or not all(type(label) is int for label in true.values()):
        raise _malformed(path, f"'true_labels' must map keys to labels, but is {true!r:.60}")
    train, val = (
        tuple(_listed(path, f"{part}[{i}]", row) for i, row in enumerate(content[part])) for part in ("train", "val")
    )
    train = tuple(replace(item, true_label=true.get(item.path)) for item in train)
    return SupportList(path, digest, content["dataset"], content["shots"], content["seed"], train, val)


def _listed(path: Path, where: str, row: Any) -> ListedImage:
    image = next((row[key] for key in _PATH_KEYS if key in row), None) if isinstance(row, dict) else None
    if not isinstance(image, str) or not image or type(row.get("label")) is not int:
        raise _malformed(
            path, f"{where} must be an object with a path and an integer label, but is {json.dumps(row)[:80]}"
        )
    name = row.get("classname") or row.get("class_name")
    digest = row.get("digest")
    return ListedImage(image, row["label"], str(name) if name else None, str(digest) if digest else None)


def _malformed(path: Path, problem: str) -> DataError:
    return DataError(
        f"Support list {path} is malformed: {problem}. Write one with `etl-bench datasets draw`, or one JSON object "
        f"per line with `path` and `label`."
    )
