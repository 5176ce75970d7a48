"""Finds stored runs that current code or data may not reproduce, and the reasons."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from bench.record import RunRecord
from bench.results.known_facts import known_methods
from datasets_registry import BenchError, UnknownNameError, eval_fingerprint, get_dataset, last_fingerprint


class Staleness:
    """The state of the current code, weights and data, each found once.

    A changed draw, split file or class list changes the task and so the run id; it is not checked here.

    Args:
        data_root: the folder of datasets; None skips the check of their files.
        backbone_digest: the digest of a backbone's weights by its slug; None skips the check of weights, which would
            have to be loaded.
    """

    def __init__(self, data_root: Path | None, backbone_digest: Callable[[str], str] | None = None) -> None:
        self._backbone = cache(backbone_digest) if backbone_digest else None
        self._dataset = cache(lambda name: last_fingerprint(name, data_root))
        self._test_part = cache(_test_part_of_own_images)

    def backbone_changed(self, slug: str, digest: str) -> bool:
        """Whether the backbone's digest differs from a recorded one; False if unchecked."""
        return self._backbone is not None and digest not in ("", self._backbone(slug))

    def test_part_changed(self, dataset: str, digest: str) -> bool:
        """Whether the test part of own images, their classes or the template differ from a recorded digest."""
        return self._test_part(dataset) not in (None, digest)

    def reasons(self, record: RunRecord) -> tuple[str, ...]:
        """Why the record is stale, a few words per reason; empty if no change was found."""
        spec, provenance = record.spec, record.provenance
        reasons = code_reasons(spec.method, provenance.method_version, provenance.method_digest)
        if self.backbone_changed(spec.backbone, provenance.backbone_digest):
            reasons.append(f"the weights of {spec.backbone} changed")
        files = self._dataset(spec.dataset)
        if None not in (files, provenance.dataset_check) and files != provenance.dataset_check:
            reasons.append(f"the files of {spec.dataset} changed")
        return tuple(reasons)


def _test_part_of_own_images(dataset: str) -> str | None:
    """A digest of the test part; None for a published dataset, and for one that is not known here."""
    try:
        info = get_dataset(dataset)
    except UnknownNameError:
        return None
    return eval_fingerprint(info.reader(None), info) if info.own_images else None


def code_reasons(method: str, version: int, digest: str | None) -> list[str]:
    """How a method changed since a run with that version and digest; empty for a method that is not installed.

    The digest is compared only for methods that do not ship with this package.
    """
    try:
        now = known_methods().get(method)
    except BenchError:
        return []
    if version != now.version:
        return [f"{method} has version {now.version} now and had version {version}"]
    return [f"the code of {method} changed"] if now.source_digest and digest not in (None, now.source_digest) else []
