"""The doctor of datasets: whether what lies on disk is what a run needs, and a fingerprint of what was found.

Works offline and changes nothing but its own file below `<data root>/.etl-bench/`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datasets_registry._custom.dataset import CustomReader
from datasets_registry._doctor.findings import Finding, Level, quoted, some
from datasets_registry._doctor.layout_rules import DatasetOnDisk, broken_entries, examine
from datasets_registry._download.sources import DatasetSource, dataset_sources
from datasets_registry._errors import BenchError, DataError
from datasets_registry._readers.decode import LFS_POINTER
from datasets_registry._readers.files import ImageFiles
from datasets_registry._types import DatasetInfo, DatasetSplits, Images, Sample, fingerprint

PLACE = ".etl-bench"
MOST_SHOTS = 16
FINGERPRINT_VERSION = 1


@dataclass(frozen=True)
class CheckResult:
    """What was found out about one dataset.

    Args:
        name: of the dataset.
        findings: problems and notes.
        layout: how the images lie, as the reader says; empty where it refused.
        counts: images by part; empty where the reader refused.
        checked: how many images were opened.
        fingerprint: what was seen, by digests; empty where the reader refused.
        file: where the fingerprint was written, or None.
    """

    name: str
    findings: tuple[Finding, ...]
    layout: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    checked: int = 0
    fingerprint: Mapping[str, object] = field(default_factory=dict)
    file: Path | None = None

    @property
    def problems(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level is Level.PROBLEM]

    def facts(self) -> dict[str, object]:
        """For JSON."""
        return {
            "name": self.name,
            "fine": not self.problems,
            "layout": self.layout,
            "counts": dict(self.counts),
            "checked_images": self.checked,
            "findings": [
                {"code": item.code, "level": str(item.level), "text": item.text, "fix": item.fix}
                for item in self.findings
            ],
            "fingerprint": dict(self.fingerprint),
            "fingerprint_file": str(self.file) if self.file else None,
        }


def check_dataset(
    info: DatasetInfo, data_root: Path | None, *, sample: int | None = None, jobs: int = 2
) -> CheckResult:
    """Look at layout, split, counts and images of one dataset.

    Args:
        info: the dataset.
        data_root: the folder that holds all datasets; needed but for drawn ones and own images.
        sample: open that many images, spread evenly over the lists; None opens all.
        jobs: threads that open images.

    Raises:
        DataError: the dataset lies below a data root and none was given.
    """
    if info.synthetic:
        note = Finding("drawn", "This dataset is drawn, so there is nothing on disk to check.", level=Level.NOTE)
        return CheckResult(info.name, (note,))
    source = dataset_sources().get(info.name)
    findings = _structure(info, source, data_root)
    try:
        splits = info.reader(data_root)
    except BenchError as error:
        if not any(item.level is Level.PROBLEM for item in findings):
            findings.append(Finding("refused", str(error), _fetch(info, data_root) if source else ""))
        return CheckResult(info.name, tuple(findings))
    # what is wrong with the places of files did not keep the reader from finding them
    findings = [replace(item, level=Level.NOTE) if item.layout else item for item in findings]
    findings += _counts(info, splits, data_root)
    looked = _look_at_images(splits, sample=sample, jobs=jobs)
    findings += _image_findings(info, splits, looked, data_root if source else None)
    found = _fingerprint(info, splits, source, data_root, looked)
    file, trouble = _write(info.name, found, data_root)
    counts = {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}
    return CheckResult(info.name, (*findings, *trouble), splits.layout, counts, len(looked), found, file)


def is_present(info: DatasetInfo, data_root: Path | None) -> bool:
    """Whether there is anything of a dataset to check, for a check of all."""
    if isinstance(info.reader, CustomReader):
        return True
    source = dataset_sources().get(info.name)
    if info.synthetic or source is None or data_root is None:
        return False
    return not any(item.code == "no-folder" for item in examine_folder(info, source, data_root))


def examine_folder(info: DatasetInfo, source: DatasetSource, data_root: Path) -> list[Finding]:
    """The rules about layout alone, where the dataset's folder is missing; nothing where it is there."""
    dataset = DatasetOnDisk(info, source, data_root)
    return [] if dataset.folder.is_dir() else examine(dataset)


def _structure(info: DatasetInfo, source: DatasetSource | None, data_root: Path | None) -> list[Finding]:
    if source is None:
        if isinstance(info.reader, CustomReader):
            place = info.reader.config.place(info.reader.base)
            return list(broken_entries(place)) if place.is_dir() else []
        return []
    if data_root is None:
        raise DataError(
            f"Dataset {info.name!r} lies on disk, but no data folder was given to check. "
            f"Pass --data-root FOLDER or set ETL_BENCH_DATA."
        )
    return examine(DatasetOnDisk(info, source, data_root))


def _counts(info: DatasetInfo, splits: DatasetSplits, data_root: Path | None) -> Iterator[Finding]:
    counts = {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}
    if info.expected and info.split_file is None:  # without a split file the folders decide, so a loss goes unseen
        expected = {part: info.expected.get(part, 0) for part in counts}
        if counts != expected:
            full = len(splits.class_names) == info.num_classes
            yield Finding(
                "wrong-count" if full else "subset",
                f"Found {_as_text(counts)} images of {len(splits.class_names)} classes; the full dataset has "
                f"{_as_text(expected)} of {info.num_classes}.",
                _fetch(info, data_root),
                Level.PROBLEM if full else Level.NOTE,
            )
    sizes = Counter(sample.label for sample in splits.train)
    if splits.train:
        smallest = min(range(len(splits.class_names)), key=lambda label: sizes[label])
        if sizes[smallest] < MOST_SHOTS:
            yield Finding(
                "small-class",
                f"Class {splits.class_names[smallest]!r} has {sizes[smallest]} training images, so --shots can be "
                f"{sizes[smallest]} at most.",
                level=Level.NOTE,
            )
    repeated = [name for name, n in Counter(splits.class_names).items() if n > 1]
    if repeated:
        yield Finding(
            "repeated-names",
            f"{len(repeated)} class names occur twice ({some(repeated)}); their texts tie, and the first label wins.",
            level=Level.NOTE,
        )


@dataclass(frozen=True, slots=True)
class _Look:
    """What opening one image gave: its digest, or what is wrong with it."""

    part: str
    sample: Sample
    digest: str = ""
    kind: str = ""
    message: str = ""


_IMAGE_PROBLEMS = {
    "lfs-pointers": "are Git LFS pointers, not images",
    "empty-images": "have zero bytes",
    "web-pages": "are web pages, not images, as a failed download leaves them",
    "missing-images": "are links that lead nowhere, or were taken away",
    "unreadable-images": "may not be read",
    "damaged-images": "cannot be decoded: they are cut short, damaged, or no images",
}


def _look_at_images(splits: DatasetSplits, *, sample: int | None, jobs: int) -> list[_Look]:
    listed = [(part, item) for part in ("train", "val", "test") for item in getattr(splits, part)]
    if sample is not None and sample < len(listed):
        listed = [listed[i * len(listed) // sample] for i in range(sample)]
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return list(pool.map(lambda pair: _look(splits.images, *pair), listed))


def _look(images: Images, part: str, sample: Sample) -> _Look:
    try:
        images.load(sample.key)
        return _Look(part, sample, images.digest(sample.key))
    except DataError as error:
        return _Look(part, sample, kind=_kind_of_trouble(images, sample.key), message=str(error))


def _kind_of_trouble(images: Images, key: str) -> str:
    if not isinstance(images, ImageFiles):
        return "damaged-images"
    try:
        with images.path(key).open("rb") as file:
            head = file.read(512)
    except PermissionError:
        return "unreadable-images"
    except OSError:
        return "missing-images"
    if not head:
        return "empty-images"
    if head.startswith(LFS_POINTER):
        return "lfs-pointers"
    return "web-pages" if head.lstrip().lower().startswith((b"<!doctype", b"<html")) else "damaged-images"


def _image_findings(
    info: DatasetInfo, splits: DatasetSplits, looked: Sequence[_Look], data_root: Path | None
) -> Iterator[Finding]:
    by_kind: defaultdict[str, list[_Look]] = defaultdict(list)
    for look in looked:
        if look.kind:
            by_kind[look.kind].append(look)
    for kind, words in _IMAGE_PROBLEMS.items():
        keys = [look.sample.key for look in by_kind[kind]]
        if keys:
            yield Finding(
                kind,
                f"{len(keys)} of {len(looked)} images looked at {words}, for example {some(keys)}.",
                _mend_images(info, splits, kind, keys, data_root),
            )
    parts_of: defaultdict[str, set[str]] = defaultdict(set)
    keys_of: defaultdict[str, list[_Look]] = defaultdict(list)
    for look in looked:
        if look.digest:
            parts_of[look.digest].add(look.part)
            keys_of[look.digest].append(look)
    twice = [group for group in keys_of.values() if len(group) > 1]
    if twice:
        leaking = [group for group in twice if len(parts_of[group[0].digest]) > 1]
        torn = [group for group in twice if len({look.sample.label for look in group}) > 1]
        first = (torn or leaking or twice)[0]
        yield Finding(
            "duplicates",
            f"{len(twice)} images occur more than once with the same bytes; {len(leaking)} of them in two parts of the "
            f"split, {len(torn)} in two classes. For example {first[0].sample.key} and {first[1].sample.key}.",
            level=Level.NOTE,
        )


def _mend_images(
    info: DatasetInfo, splits: DatasetSplits, kind: str, keys: Sequence[str], data_root: Path | None
) -> str:
    paths = [splits.images.path(key) for key in keys] if isinstance(splits.images, ImageFiles) else []
    if kind == "lfs-pointers" and paths:
        return f"cd {quoted(paths[0].parent)} && git lfs pull"
    if kind == "unreadable-images" and paths:
        return quoted("chmod", "-R", "u+r", _common(paths))
    if data_root is not None:
        return _fetch(info, data_root, "--again")
    return f"replace or remove them: {quoted(*map(str, paths[:3]))}" if paths else "replace or remove them"


def _common(paths: Sequence[Path]) -> str:
    return os.path.commonpath([str(path.parent) for path in paths])


def _fingerprint(
    info: DatasetInfo,
    splits: DatasetSplits,
    source: DatasetSource | None,
    data_root: Path | None,
    looked: Sequence[_Look],
) -> dict[str, object]:
    lists = {part: [[s.key, s.label] for s in getattr(splits, part)] for part in ("train", "val", "test")}
    total = sum(map(len, lists.values()))
    found: dict[str, Any] = {
        "version": FINGERPRINT_VERSION,
        "name": info.name,
        "images": {part: len(rows) for part, rows in lists.items()},
        "classes": len(splits.class_names),
        "class_names": fingerprint(list(splits.class_names)),
        "lists": fingerprint([lists[part] for part in ("train", "val", "test")]),
        "checked_images": "all" if len(looked) == total else len(looked),
        "contents": fingerprint(sorted([look.sample.key, look.digest or look.kind] for look in looked)),
    }
    if info.split_file is not None and source is not None and data_root is not None:
        file = DatasetOnDisk(info, source, data_root).split_file
        if file is not None:
            found["split_file_sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def last_fingerprint(name: str, data_root: Path | None) -> str | None:
    """The contents digest that the last check of a dataset wrote; None if there is none that can be read."""
    if data_root is None:
        return None
    try:
        found = json.loads((data_root / PLACE / f"{name}.json").read_text(encoding="utf-8"))
        return str(found["contents"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(name: str, found: Mapping[str, object], data_root: Path | None) -> tuple[Path | None, list[Finding]]:
    if data_root is None:
        return None, []
    file = data_root / PLACE / f"{name}.json"
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(exist_ok=True)
        partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        text = f"The fingerprint could not be written to {file} ({error})."
        return None, [Finding("read-only", text, level=Level.NOTE)]
    return file, []


def _fetch(info: DatasetInfo, data_root: Path | None, *options: str) -> str:
    where = ("--data-root", data_root) if data_root is not None else ()
    return quoted("etl-bench", "datasets", "fetch", info.name, *options, *where)


def _as_text(counts: Mapping[str, int]) -> str:
    return " / ".join(f"{n} {part}" for part, n in counts.items())
