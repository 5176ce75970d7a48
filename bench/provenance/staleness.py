"""Which stored runs today's code or data would not reproduce, and why."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from bench.provenance.source_digest import machinery_digest, source_digest
from bench.record import RunRecord
from datasets_registry import last_fingerprint


class Staleness:
    """The digests of today's code, weights and data, each computed once.

    A changed draw, split file or class list changes the task and so the run id; it is not checked here.

    Args:
        data_root: folder of the datasets.
        backbone_digest: returns the digest of a backbone's weights by its slug; None skips the check of weights, which
            would have to be loaded.
    """

    def __init__(self, data_root: Path | None, backbone_digest: Callable[[str], str] | None = None) -> None:
        self._data_root = data_root
        self._backbone = cache(backbone_digest) if backbone_digest else None
        self._dataset = cache(lambda name: last_fingerprint(name, self._data_root))

    def reasons(self, record: RunRecord) -> tuple[str, ...]:
        """Why the record is stale, a few words each; empty where no change was found."""
        from methods import get_method

        method, made = get_method(record.spec.method), record.provenance
        found = []
        if made.method_digest != source_digest(method):
            found.append(f"the code of {record.spec.method} changed")
        elif made.machinery_digest not in (None, machinery_digest(method)):
            found.append(f"shared code that {record.spec.method} imports changed")
        if self._backbone and made.backbone_digest not in ("", self._backbone(record.spec.backbone)):
            found.append(f"the weights of {record.spec.backbone} changed")
        now = self._dataset(record.spec.dataset)
        if None not in (now, made.dataset_check) and now != made.dataset_check:
            found.append(f"the files of {record.spec.dataset} changed")
        return tuple(found)
