"""Differences of two runs: settings, data, code and environment, and images with different predictions. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from bench.record import Predictions, RunRecord
from bench.results.shards import Shard
from bench.spec import AXES, Part


class Cause(StrEnum):
    """Kinds of differences, ordered so that an earlier kind may explain a later one."""

    METHOD = "method"
    CONFIG = "config"
    RECIPE = "recipe"
    BACKBONE = "backbone"
    TASK = "task"
    TEXT = "text"
    DATA = "data"
    CODE = "code"
    ENVIRONMENT = "environment"


_SPEC_FIELDS = {
    Cause.METHOD: ("method",),
    Cause.CONFIG: tuple(axis.name for axis in AXES if axis.part is Part.ROW),
    Cause.BACKBONE: ("backbone", "precision"),
    Cause.TASK: (
        "dataset", "protocol", "shots", "draw", *(axis.name for axis in AXES if axis.part is not Part.ROW), "seed",
    ),
}  # fmt: skip
_PROVENANCE_FIELDS = {
    Cause.CODE: ("method_version", "method_digest", "package_version", "git_commit", "git_dirty"),
    Cause.ENVIRONMENT: ("python", "platform", "device", "threads"),
}


@dataclass(frozen=True)
class Difference:
    """A property with different values in runs A and B; None if a run does not have it."""

    cause: Cause
    name: str
    a: object
    b: object


@dataclass(frozen=True)
class Flip:
    """An image that two runs classify differently: one of them correctly, or neither."""

    split: str
    image: str
    label: int
    predicted_a: int
    predicted_b: int

    @property
    def right(self) -> str:
        """Which run is right: `A`, `B` or `neither`."""
        return "A" if self.predicted_a == self.label else "B" if self.predicted_b == self.label else "neither"


@dataclass(frozen=True)
class RunDiff:
    """The differences of two runs.

    Args:
        differences: in the order of `Cause`.
        scores: by split, the accuracies of A and of B.
        flips: in the order of the evaluation lists.
        compared: by split, the number of images that both runs predicted.
        notes: what could not be compared.
    """

    run_a: str
    run_b: str
    differences: tuple[Difference, ...]
    scores: Mapping[str, tuple[float | None, float | None]]
    flips: tuple[Flip, ...]
    compared: Mapping[str, int]
    notes: tuple[str, ...]


def diff_runs(a: Shard, b: Shard) -> RunDiff:
    """All differences of two runs.

    Class names and templates are not stored with a run, only their digest within the task fingerprint. If fingerprints
    differ although settings, support images, test images and labels are equal, the cause must be the text.
    """
    notes: list[str] = []
    flips, compared = _flips(a.predictions, b.predictions, notes)
    records = a.record, b.record
    differences = [*_spec_differences(*records), *_data_differences(a, b), *_provenance_differences(*records)]
    if a.record.spec.task_fingerprint != b.record.spec.task_fingerprint and not any(
        difference.cause in (Cause.TASK, Cause.DATA) for difference in differences
    ):
        prints = [shard.record.spec.task_fingerprint[:12] for shard in (a, b)]
        differences.append(Difference(Cause.TEXT, "class names or template (task fingerprint)", *prints))
    order = list(Cause)
    splits = sorted({score.split for shard in (a, b) for score in shard.record.all_scores})
    scores = {split: (_accuracy(a.record, split), _accuracy(b.record, split)) for split in splits}
    for name, shard in (("A", a), ("B", b)):
        if shard.record.error is not None:
            notes.append(f"run {name} failed: {shard.record.error.kind}: {shard.record.error.message}")
    return RunDiff(
        a.record.run_id,
        b.record.run_id,
        tuple(sorted(differences, key=lambda difference: order.index(difference.cause))),
        scores,
        flips,
        compared,
        tuple(notes),
    )


def _spec_differences(a: RunRecord, b: RunRecord) -> Iterator[Difference]:
    # the dump leaves out some axes that have their default
    defaults: dict[str, Any] = {axis.name: axis.default for axis in AXES}
    first, second = (defaults | one.spec.model_dump(mode="json") for one in (a, b))
    yield from _unequal_fields(_SPEC_FIELDS, first, second)
    yield from _unequal(Cause.CONFIG, first["config"], second["config"])
    yield from _unequal(Cause.RECIPE, first["recipe"] or {}, second["recipe"] or {})
    digests = a.provenance.backbone_digest, b.provenance.backbone_digest
    if digests[0] != digests[1]:
        yield Difference(Cause.BACKBONE, "weights", digests[0][:12], digests[1][:12])


def _data_differences(a: Shard, b: Shard) -> Iterator[Difference]:
    support = [shard.record.provenance.support_digests for shard in (a, b)]
    if support[0] != support[1] and set(support[0]) == set(support[1]):
        yield Difference(Cause.DATA, "order of the support images", len(support[0]), len(support[1]))
    elif support[0] != support[1]:
        yield _different_images("support images", *support)
    pool = [shard.record.provenance.unlabelled_digest for shard in (a, b)]
    if pool[0] != pool[1] and a.record.spec.unlabelled == b.record.spec.unlabelled:
        yield Difference(Cause.DATA, "unlabelled images", *(digest and digest[:12] for digest in pool))
    lists = [{item.split: item for item in shard.predictions} for shard in (a, b)]
    for split in sorted(set(lists[0]) & set(lists[1])):
        first, second = lists[0][split], lists[1][split]
        if first.images != second.images:
            yield _different_images(f"test images, {split}", first.images, second.images)
        elif not np.array_equal(first.label, second.label):
            changed = int((first.label != second.label).sum())
            yield Difference(Cause.DATA, f"test labels, {split}", "", f"{changed} differ")
        elif first.group is not None and second.group is not None and not np.array_equal(first.group, second.group):
            changed = int((first.group != second.group).sum())
            yield Difference(Cause.DATA, f"groups of test images, {split}", "", f"{changed} differ")


def _different_images(name: str, a: Sequence[str], b: Sequence[str]) -> Difference:
    shared = len(set(a) & set(b))
    return Difference(Cause.DATA, name, *(f"{len(images)} images, {shared} of them in both" for images in (a, b)))


def _provenance_differences(a: RunRecord, b: RunRecord) -> Iterator[Difference]:
    first, second = dict(a.provenance), dict(b.provenance)
    if None in (a.provenance.method_digest, b.provenance.method_digest):  # only methods of other packages need one
        first["method_digest"] = second["method_digest"] = None
    yield from _unequal_fields(_PROVENANCE_FIELDS, first, second)
    yield from _unequal(Cause.ENVIRONMENT, a.provenance.packages, b.provenance.packages)


def _unequal_fields(
    fields: Mapping[Cause, Sequence[str]], a: Mapping[str, Any], b: Mapping[str, Any]
) -> Iterator[Difference]:
    for cause, names in fields.items():
        yield from (Difference(cause, name, a[name], b[name]) for name in names if a[name] != b[name])


def _unequal(cause: Cause, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    flat_a, flat_b = dict(_flat(a)), dict(_flat(b))
    for name in sorted(set(flat_a) | set(flat_b)):
        if flat_a.get(name) != flat_b.get(name) or (name in flat_a) != (name in flat_b):
            yield Difference(cause, name, flat_a.get(name), flat_b.get(name))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _flips(
    a: tuple[Predictions, ...], b: tuple[Predictions, ...], notes: list[str]
) -> tuple[tuple[Flip, ...], dict[str, int]]:
    first, second = ({item.split: item for item in predictions} for predictions in (a, b))
    flips: list[Flip] = []
    compared: dict[str, int] = {}
    for split in sorted(set(first) | set(second)):
        if split not in first or split not in second:
            notes.append(f"split {split} is in only one of the runs")
            continue
        x, y = first[split], second[split]
        position = {image: i for i, image in enumerate(y.images)}
        pairs = [(i, position[image]) for i, image in enumerate(x.images) if image in position]
        compared[split] = len(pairs)
        for i, j in pairs:
            if x.label[i] == y.label[j] and x.predicted[i] != y.predicted[j]:
                flips.append(Flip(split, x.images[i], int(x.label[i]), int(x.predicted[i]), int(y.predicted[j])))
    return tuple(flips), compared


def _accuracy(record: RunRecord, split: str) -> float | None:
    score = record.score(split)
    return None if score is None else score.accuracy
