"""Finds stored runs that current code or data may not reproduce, and the reasons."""

import json
from collections.abc import Callable
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import cast

from bench.record import RunRecord
from bench.results.code_digests import machinery_digest, source_digest
from bench.results.files import TextCache
from bench.results.method_facts import method_sheets
from datasets_registry import BenchError, last_fingerprint


class Staleness:
    """The digests of the current code, weights and data, each computed once.

    A changed draw, split file or class list changes the task and so the run id; it is not checked here.

    Args:
        data_root: the folder of datasets; None skips the check of their files.
        backbone_digest: the digest of a backbone's weights by its slug; None skips the check of weights, which would
            have to be loaded.
        kept: cache of the digests of the methods' code, shared by processes.
    """

    def __init__(
        self,
        data_root: Path | None,
        backbone_digest: Callable[[str], str] | None = None,
        kept: TextCache | None = None,
    ) -> None:
        self._kept = kept
        self._backbone = cache(backbone_digest) if backbone_digest else None
        self._dataset = cache(lambda name: last_fingerprint(name, data_root))
        self._code = cache(self._code_of)

    def backbone_changed(self, slug: str, digest: str) -> bool:
        """Whether the backbone's digest differs from a recorded one; False if unchecked."""
        return self._backbone is not None and digest not in ("", self._backbone(slug))

    def reasons(self, record: RunRecord) -> tuple[str, ...]:
        """Why the record is stale, a few words per reason; empty if no change was found."""
        spec, made = record.spec, record.provenance
        found = self.code_reasons(spec.method, made.method_digest, made.machinery_digest)
        if self.backbone_changed(spec.backbone, made.backbone_digest):
            found.append(f"the weights of {spec.backbone} changed")
        files = self._dataset(spec.dataset)
        if None not in (files, made.dataset_check) and files != made.dataset_check:
            found.append(f"the files of {spec.dataset} changed")
        return tuple(found)

    def code_reasons(self, method: str, own: str, shared: str | None) -> list[str]:
        """Which code of a method changed since a run with these digests; empty for a method that is not installed."""
        now = self._code(method)
        if now is None or _same_predictions(method, (own, shared or ""), now):
            return []
        if own != now[0]:
            return [f"the code of {method} changed"]
        return [] if shared in (None, now[1]) else [f"shared code that {method} imports changed"]

    @cached_property
    def _sheets(self) -> dict[str, tuple[str, str]]:
        return {} if self._kept is None else {sheet.name: sheet.code for sheet in method_sheets(self._kept)}

    def _code_of(self, method: str) -> tuple[str, str] | None:
        if method in self._sheets:
            return self._sheets[method]
        from methods import known_methods

        try:
            found = known_methods().get(method)
        except BenchError:
            return None
        return source_digest(found), machinery_digest(found)


def _same_predictions(method: str, made: tuple[str, str], now: tuple[str, str]) -> bool:
    """Whether the list of a method has both versions, and the current version is its last."""
    listed = equivalent_code().get(method, [])
    versions = list(zip(listed[::2], listed[1::2], strict=True))
    return now in versions[-1:] and made in versions


@cache
def equivalent_code() -> dict[str, list[str]]:
    """Digests of versions of a method that give identical predictions, by method name, the newest last.

    Each version has two digests: of the method and of its shared code. `etl-bench runs verify` found the predictions of
    all versions bit-identical. `python -m tools.equivalent_code` adds the current version.
    """
    text = (resources.files("bench.results") / "equivalent_code.json").read_text(encoding="utf-8")
    return cast(dict[str, list[str]], json.loads(text))
