"""Catalogue entries from outside the package: entry points of installed packages, and the user's custom datasets.

A broken entry is skipped with one line of warning; the rest of the catalogue is unaffected.
"""

import logging
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from datasets_registry._custom.folders import custom_files
from datasets_registry._errors import BenchError
from datasets_registry._registry import Registry
from datasets_registry._types import DatasetInfo

DATASETS_GROUP = "clip_etl_bench.datasets"
METHODS_GROUP = "clip_etl_bench.methods"

_log = logging.getLogger("etl-bench")


def load_entry_points(group: str, registry: Registry[Any]) -> None:
    """Import the entry points of installed packages; importing a module registers its entries, as in this package.

    An entry point should have the name that it registers. Then a request for a name that could not be loaded shows the
    reason.
    """
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        try:
            point.load()
        except (Exception, SystemExit) as error:  # an import in another package can raise anything
            package = point.dist.name if point.dist else "an unknown package"
            reason = (
                f"the plug-in of package {package!r} ({point.value}) could not be loaded "
                f"({type(error).__name__}: {error}). Update that package, or `pip uninstall {package}`."
            )
            _skip(registry, point.name, reason)


def load_custom_datasets(registry: Registry[DatasetInfo]) -> None:
    """Register every `NAME.toml` in the custom folders; if a name occurs in two folders, the first is used."""
    files: dict[str, Path] = {}
    for path in custom_files("*.toml"):
        files.setdefault(path.stem, path)
    if not files:
        return
    from datasets_registry._custom.dataset import read_custom  # imports pydantic, which is slow to load

    for name, path in files.items():
        try:
            info = read_custom(path)
            registry.add(name, info, info.title)
        except BenchError as error:
            text = str(error)
            _skip(registry, name, text if str(path) in text else f"{path}: {text}")


def load_feature_bundles(registry: Registry[DatasetInfo]) -> None:
    """Register every imported feature bundle, `NAME/bundle.json` in the custom folders."""
    for path in custom_files("*/bundle.json"):
        name = path.parent.name
        if name.startswith(".") or name in registry:
            continue
        from datasets_registry._custom.feature_bundle import FeatureBundle  # imports pydantic, which is slow to load

        try:
            info = FeatureBundle(path.parent).info()
            registry.add(name, info, info.title)
        except BenchError as error:
            _skip(registry, name, str(error))


def _skip(registry: Registry[Any], name: str, reason: str) -> None:
    line = " ".join(reason.split())
    registry.mark_unavailable(name, line)
    _log.warning("warning: %s %r is left out: %s", registry.kind, name, line)
