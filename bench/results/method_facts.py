"""Facts of the registered methods for pages and tables, without importing them, and runs with other settings."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

import bench
from bench.results.code_digests import machinery_digest, source_digest
from bench.results.files import TextCache
from datasets_registry import METHODS_GROUP, EvalProtocol


@dataclass(frozen=True)
class MethodSheet:
    """Facts of `MethodInfo` as plain values.

    Args:
        published: its settings by protocol, as JSON values.
        code: digests of its own code and of the shared code that it imports.
    """

    name: str
    title: str
    family: str = "other"
    summary: str = ""
    citation: str = ""
    published: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    code: tuple[str, str] = ("", "")


def method_sheets(kept: TextCache | None = None) -> tuple[MethodSheet, ...]:
    """Sheets of all registered methods, in the order of the registry.

    Args:
        kept: cache of the sheets between processes. It is not used if the methods are already imported, or if other
            packages add methods, since changes of their files would not be detected.
    """
    if kept is None or "methods._base.registry" in sys.modules or entry_points(group=METHODS_GROUP):
        return _registered()
    text = kept.text("methods", _state(), lambda: json.dumps([asdict(sheet) for sheet in _registered()]))
    return tuple(MethodSheet(**values | {"code": tuple(values["code"])}) for values in json.loads(text))


def _registered() -> tuple[MethodSheet, ...]:
    from methods import known_methods

    known = known_methods()
    return tuple(
        MethodSheet(
            name=info.name,
            title=info.title,
            family=str(info.family),
            summary=info.summary,
            citation=info.citation.strip(),
            published={str(p): info.default_config(p).model_dump(mode="json") for p in EvalProtocol},
            code=(source_digest(known.get(info.name)), machinery_digest(known.get(info.name))),
        )
        for info in known.infos()
    )


def _state() -> str:
    """A text that changes with every file of `methods` and with this module."""
    spec = find_spec("methods")
    folders = () if spec is None else spec.submodule_search_locations or ()
    files = [Path(__file__), *(path for folder in folders for path in sorted(Path(folder).rglob("*.py")))]
    states = [f"{path} {(found := path.stat()).st_mtime_ns} {found.st_size}" for path in files]
    return "\n".join([bench.__version__, *states])


def changed_settings(config: Mapping[str, Any], published: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the settings with another value than the published one; settings that no longer exist do not count."""
    return tuple(sorted(key for key, value in config.items() if published.get(key, value) != value))


def with_changed_settings(runs: pd.DataFrame, kept: TextCache | None = None) -> pd.DataFrame:
    """The store's `runs_frame()` with a column `changed_settings`: names of changed settings, joined by commas.

    It is empty for published settings and for methods that are not installed. `kept` is the cache of `method_sheets`.
    """
    published = {sheet.name: sheet.published for sheet in method_sheets(kept)}
    rows = list(zip(runs["method"], runs["protocol"], runs["config"].fillna("{}"), strict=True))
    found = {
        (method, protocol, config): ",".join(
            changed_settings(json.loads(config), published.get(method, {}).get(protocol, {}))
        )
        for method, protocol, config in set(rows)
    }
    return runs.assign(changed_settings=[found[row] for row in rows])
