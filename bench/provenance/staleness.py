"""Which stored runs today's code or data would not reproduce, and why."""

import json
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import cast

from bench.provenance.source_digest import machinery_digest, source_digest
from bench.record import RunRecord
from datasets_registry import last_fingerprint


class Staleness:
    """The digests of today's code, weights and data, each computed once.

    A changed draw, split file or class list changes the task and so the run id; it is not checked here.
    `backbone_digest` returns the digest of a backbone's weights by its slug; None skips the check of weights, which
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
        now = source_digest(method), machinery_digest(method)
        found = []
        versions = [made.method_digest, made.machinery_digest or "", *now]
        if equivalent_code().get(record.spec.method) != versions:
            if made.method_digest != now[0]:
                found.append(f"the code of {record.spec.method} changed")
            elif made.machinery_digest not in (None, now[1]):
                found.append(f"shared code that {record.spec.method} imports changed")
        if self._backbone and made.backbone_digest not in ("", self._backbone(record.spec.backbone)):
            found.append(f"the weights of {record.spec.backbone} changed")
        files = self._dataset(record.spec.dataset)
        if None not in (files, made.dataset_check) and files != made.dataset_check:
            found.append(f"the files of {record.spec.dataset} changed")
        return tuple(found)


@cache
def equivalent_code() -> dict[str, list[str]]:
    """Digests of two versions of a method that give identical predictions, by method name.

    Four digests each: of the method and of its shared code at version 0.1.0, then of both after the files were moved
    and renamed. `etl-bench verify` found the predictions of both versions equal bit for bit.
    """
    text = (resources.files("bench.provenance") / "equivalent_code.json").read_text(encoding="utf-8")
    return cast(dict[str, list[str]], json.loads(text))
