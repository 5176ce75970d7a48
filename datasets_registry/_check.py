"""Checks a dataset on disk: split, counts and images. Writes a fingerprint of the contents.

It works offline. The fingerprint is written below `<data root>/.etl-bench/`, or in the user's cache if the data root
belongs to another user.
"""

import hashlib
import json
import os
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path

from datasets_registry._custom.dataset import CustomReader
from datasets_registry._download.mirror import origin_of_images
from datasets_registry._download.sources import DatasetSource, dataset_sources
from datasets_registry._errors import BenchError, DataError, some
from datasets_registry._groups import group_notes
from datasets_registry._readers.dataset_files import LeftOut, describe_left_out, left_out_advice
from datasets_registry._readers.decode import BadImageError
from datasets_registry._readers.image_sources import ImageFiles
from datasets_registry._types import PARTS, DatasetInfo, DatasetSplits, Sample, fingerprint

CHECKS_FOLDER = ".etl-bench"
MOST_SHOTS = 16
FINGERPRINT_VERSION = 1
_FINDING_KEYS = ("code", "level", "text", "fix")


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, in one sentence.

    Args:
        code: its name in `etl-bench doctor docs datasets`.
        fix: the command that fixes it; empty if there is nothing to fix.
        level: `problem`: runs would fail or give wrong results. `note`: runs work, but the user should know.
    """

    code: str
    text: str
    fix: str = ""
    level: Literal["problem", "note"] = "problem"


@dataclass(frozen=True)
class CheckResult:
    """The result of checking one dataset.

    Args:
        layout: the reader's name of the images' layout; empty if the reader failed.
        counts: number of images by part; empty if the reader failed.
        left_out: files that the dataset does not use, by kind.
        checked: number of images that were opened.
        fingerprint: digests of the contents; empty if the reader failed.
        file: the file of the fingerprint, or None if none was written.
    """

    name: str
    findings: tuple[Finding, ...]
    layout: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    checked: int = 0
    fingerprint: Mapping[str, object] = field(default_factory=dict)
    file: Path | None = None
    left_out: LeftOut = field(default_factory=dict)

    @property
    def problems(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "problem"]

    def facts(self) -> dict[str, object]:
        """The result as plain values for JSON."""
        return {
            "name": self.name,
            "fine": not self.problems,
            "layout": self.layout,
            "counts": dict(self.counts),
            "checked_images": self.checked,
            "left_out": {kind: list(paths) for kind, paths in self.left_out.items()},
            "findings": [{name: str(getattr(item, name)) for name in _FINDING_KEYS} for item in self.findings],
            "fingerprint": dict(self.fingerprint),
            "fingerprint_file": str(self.file) if self.file else None,
        }


def check_dataset(
    info: DatasetInfo,
    data_root: Path | None,
    *,
    sample: int | None = None,
    jobs: int = 2,
    write_fingerprint: bool = True,
) -> CheckResult:
    """Check split, counts and images of one dataset.

    Args:
        data_root: the folder that holds all datasets; not needed for synthetic and custom datasets.
        sample: number of images to open, spread evenly over the lists; None opens all.
        jobs: number of threads that open images.
        write_fingerprint: store the fingerprint, so that runs on changed files can be detected.

    Raises DataError if the dataset needs a data root and none was given.
    """
    if info.synthetic:
        text = "This dataset is synthetic, so there is nothing on disk to check."
        return CheckResult(info.name, (Finding("drawn", text, level="note"),))
    source = dataset_sources().get(info.name)
    if source is not None and data_root is None:
        raise DataError(
            f"Dataset {info.name!r} is read from disk, but no data folder was given to check. "
            f"Pass --data-root FOLDER or set ETL_BENCH_DATA."
        )
    try:
        splits = info.reader(data_root)
    except BenchError as error:
        fix = "" if source is None else _fetch_command(info.name, data_root=data_root)
        return CheckResult(info.name, (Finding("refused", str(error), fix),))
    split_file = _split_file(info, source, data_root) if source and data_root else None
    findings = [] if split_file is None else list(_split_findings(info, splits, split_file, data_root))
    findings += _count_findings(info, splits, data_root)
    opened = _open_images(splits, sample=sample, jobs=jobs)
    findings += _image_findings(info, splits, opened, data_root if source else None)
    digests = _fingerprint(info, splits, opened, split_file)
    if source and data_root and (origin := origin_of_images(source, data_root)):
        digests |= {"images_from": origin}
        text = f"The images are from a mirror ({origin['url']}): {origin['origin']}, not checked by their publisher."
        findings.append(Finding("images-from-mirror", text, level="note"))
    file = None
    if write_fingerprint and data_root is not None:
        file, write_findings = _write(info.name, digests, data_root)
        findings += write_findings
    return CheckResult(
        info.name,
        tuple(findings),
        splits.layout,
        splits.counts,
        len(opened),
        digests,
        file,
        splits.left_out,
    )


def is_dataset_present(info: DatasetInfo, data_root: Path | None) -> bool:
    """Whether any part of a dataset is on disk, so that a check of all datasets should include it."""
    if isinstance(info.reader, CustomReader):
        return True
    source = dataset_sources().get(info.name)
    return source is not None and data_root is not None and (data_root / source.folder).is_dir()


def _fetch_command(name: str, *options: str, data_root: Path | None) -> str:
    """The command that fetches a dataset."""
    where = ("--data-root", str(data_root)) if data_root is not None else ()
    source = dataset_sources().get(name)
    needed = () if source is None or "--splits-only" in options else source.fetch_options
    return shlex.join(["etl-bench", "datasets", "fetch", name, *options, *needed, *where])


def _split_file(info: DatasetInfo, source: DatasetSource, data_root: Path) -> Path | None:
    """The split file in one of the folders that the reader searches, or None."""
    if info.split_file is None:
        return None
    places = (data_root / source.folder / info.split_file, data_root / info.split_file)
    return next((place for place in places if place.is_file()), None)


def _split_findings(
    info: DatasetInfo, splits: DatasetSplits, split_file: Path, data_root: Path | None
) -> Iterator[Finding]:
    """The split file is that of a part of the dataset, or not the published one."""
    files = dataset_sources()[info.name].files
    published = next((file.checksum for file in files if file.to == info.split_file), None)
    digest = f"sha256:{hashlib.sha256(split_file.read_bytes()).hexdigest()}"
    if splits.counts != dict(info.expected):
        yield Finding(
            "subset",
            f"The split file lists {sum(splits.counts.values())} images of the {sum(info.expected.values())} of the "
            f"full dataset, so its results are not comparable with published ones.",
            f"for the full dataset: {_fetch_command(info.name, data_root=data_root)}",
            "note",
        )
    elif published is not None and digest != published:
        yield Finding(
            "split-not-published",
            f"{split_file} has the right counts, but is not CoOp's file ({digest[:19]}... instead of "
            f"{published[:19]}...); CoOp generates such a file if the original is missing.",
            _fetch_command(info.name, "--splits-only", "--again", data_root=data_root),
        )


def _count_findings(info: DatasetInfo, splits: DatasetSplits, data_root: Path | None) -> Iterator[Finding]:
    has_source = info.name in dataset_sources()
    if info.expected and (info.split_file is None or not has_source):  # else `_split_findings` counts
        expected: dict[str, int] = {part: info.expected.get(part, 0) for part in PARTS}
        full = len(splits.class_names) == info.num_classes
        if splits.counts != expected or not full:
            yield Finding(
                "wrong-count" if full else "subset",
                f"Found {_as_text(splits.counts)} images of {len(splits.class_names)} classes; the full dataset has "
                f"{_as_text(expected)} of {info.num_classes}.",
                _fetch_command(info.name, "--again", data_root=data_root) if has_source else "",
                "problem" if full else "note",
            )
    elif len(splits.class_names) != info.num_classes and not info.expected:
        text = f"Found {len(splits.class_names)} classes; the dataset's file says num_classes={info.num_classes}."
        fewer = len(splits.class_names) < info.num_classes
        yield Finding("subset" if fewer else "wrong-count", text, level="note" if fewer else "problem")
    if splits.left_out:
        text = f"Not used: {describe_left_out(splits.left_out)}. {left_out_advice(splits.left_out)}"
        yield Finding("left-out", text, level="note")
    for code, text in group_notes(splits):
        yield Finding(code, text, level="note")
    sizes = Counter(sample.label for sample in splits.train)
    smallest = min(range(len(splits.class_names)), key=lambda label: sizes[label], default=0)
    if splits.train and (size := sizes[smallest]) < MOST_SHOTS:
        most = f"--shots can be at most {size}" if size else "few-shot runs refuse it"
        text = f"Class {splits.class_names[smallest]!r} has {size or 'no'} training images, so {most}."
        yield Finding("small-class", text, level="note")
    if repeated := [name for name, n in Counter(splits.class_names).items() if n > 1]:
        text = f"{len(repeated)} class names occur twice ({some(repeated)}). "
        text += "Their texts are equal, so the first label wins."
        yield Finding("repeated-names", text, level="note")


@dataclass(frozen=True, slots=True)
class _OpenedImage:
    """The digest of an opened image, or the code of its problem."""

    part: str
    sample: Sample
    digest: str = ""
    code: str = ""


_IMAGE_PROBLEMS = {
    "lfs-pointers": ("are Git LFS pointers, not images", ("Git LFS pointer",)),
    "empty-images": ("have zero bytes", ("zero bytes",)),
    "web-pages": ("are web pages, not images, as a failed download leaves them", ("web page",)),
    "missing-images": ("are broken links, or were deleted", ("missing", "broken link")),
    "unreadable-images": ("cannot be read because of their permissions", ("no permission to read",)),
    "damaged-images": ("cannot be decoded: they are truncated, damaged, or not images", ()),
}
"""By code: words, and the kinds of `BadImageError`; all other kinds are damaged images."""


def _open_images(splits: DatasetSplits, *, sample: int | None, jobs: int) -> list[_OpenedImage]:
    images = splits.images

    def opened(listed: tuple[str, Sample]) -> _OpenedImage:
        key = listed[1].key
        try:
            images.load(key)
            return _OpenedImage(*listed, digest=images.digest(key))
        except DataError as error:
            kind = error.kind if isinstance(error, BadImageError) else ""
            code = next((code for code, (_, kinds) in _IMAGE_PROBLEMS.items() if kind in kinds), "damaged-images")
            return _OpenedImage(*listed, code=code)

    listed = [(part, item) for part in PARTS for item in getattr(splits, part)]
    if sample is not None and sample < len(listed):
        listed = [listed[i * len(listed) // sample] for i in range(sample)]
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return list(pool.map(opened, listed))


def _image_findings(
    info: DatasetInfo, splits: DatasetSplits, opened: Sequence[_OpenedImage], data_root: Path | None
) -> Iterator[Finding]:
    for code, (words, _) in _IMAGE_PROBLEMS.items():
        if keys := [image.sample.key for image in opened if image.code == code]:
            yield Finding(
                code,
                f"{len(keys)} of {len(opened)} opened images {words}, for example {some(keys)}.",
                _image_fix(info, splits, code, keys, data_root),
            )
    by_digest: defaultdict[str, list[_OpenedImage]] = defaultdict(list)
    for image in opened:
        by_digest[image.digest].append(image)
    if copies := [group for digest, group in by_digest.items() if digest and len(group) > 1]:
        across_parts = [group for group in copies if len({image.part for image in group}) > 1]
        across_classes = [group for group in copies if len({image.sample.label for image in group}) > 1]
        first = (across_classes or across_parts or copies)[0]
        yield Finding(
            "duplicates",
            f"Images that occur more than once with the same bytes: {len(copies)}, of them {len(across_parts)} in two "
            f"parts of the split and {len(across_classes)} in two classes. For example {first[0].sample.key} and "
            f"{first[1].sample.key}.",
            level="note",
        )


def _image_fix(info: DatasetInfo, splits: DatasetSplits, code: str, keys: Sequence[str], data_root: Path | None) -> str:
    if code == "lfs-pointers" and isinstance(splits.images, ImageFiles):
        return f"cd {shlex.quote(str(splits.images.path(keys[0]).parent))} && git lfs pull"
    return "replace or remove them" if data_root is None else _fetch_command(info.name, "--again", data_root=data_root)


def _fingerprint(
    info: DatasetInfo, splits: DatasetSplits, opened: Sequence[_OpenedImage], split_file: Path | None
) -> dict[str, object]:
    facts: dict[str, object] = {
        "version": FINGERPRINT_VERSION,
        "name": info.name,
        "images": splits.counts,
        "classes": len(splits.class_names),
        "class_names": fingerprint(list(splits.class_names)),
        "lists": fingerprint([[[s.key, s.label] for s in getattr(splits, part)] for part in PARTS]),
        "checked_images": "all" if len(opened) == len(splits.keys) else len(opened),
        "contents": fingerprint(sorted([image.sample.key, image.digest or image.code] for image in opened)),
    }
    if split_file is not None:
        facts["split_file_sha256"] = hashlib.sha256(split_file.read_bytes()).hexdigest()
    return facts


def last_fingerprint(name: str, data_root: Path | None) -> str | None:
    """The digest of the contents that the last check of a dataset wrote; None without a readable one.

    In a data root of another user, this user's check takes precedence over the owner's.
    """
    if data_root is None:
        return None
    for folder in dict.fromkeys((_checks_folder(data_root), data_root / CHECKS_FOLDER)):
        try:
            return str(json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["contents"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def _checks_folder(data_root: Path) -> Path:
    """The folder of fingerprints: in the data root, or in the user's cache if the root belongs to another user."""
    try:
        is_own = not hasattr(os, "getuid") or data_root.stat().st_uid == os.getuid()
    except OSError:
        is_own = True
    if is_own:
        return data_root / CHECKS_FOLDER
    digest = hashlib.sha256(str(data_root.resolve()).encode()).hexdigest()[:16]
    return user_cache_path("clip-etl-bench", appauthor=False) / "checks" / digest


def _write(name: str, facts: Mapping[str, object], data_root: Path) -> tuple[Path | None, list[Finding]]:
    file = _checks_folder(data_root) / f"{name}.json"
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(exist_ok=True, parents=True)
        partial.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        text = f"The fingerprint could not be written to {file} ({error})."
        return None, [Finding("read-only", text, level="note")]
    return file, []


def _as_text(counts: Mapping[str, int]) -> str:
    return " / ".join(f"{n} {part}" for part, n in counts.items())
