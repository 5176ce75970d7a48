"""What joins a catalogue from outside the package: entry points of installed packages, and a person's TOML files.

A broken one costs a line of warning and its own entry, never the rest of the catalogue.
"""

from __future__ import annotations

import logging
import os
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from datasets_registry._custom.folders import custom_folders
from datasets_registry._errors import BenchError
from datasets_registry._registry import DATASETS, Registry

DATASETS_GROUP = "clip_etl_bench.datasets"
METHODS_GROUP = "clip_etl_bench.methods"

_log = logging.getLogger("etl-bench")


def load_entry_points(group: str, registry: Registry[Any]) -> None:
    """Import what installed packages offer; importing a module registers its entries, as it does in this package.

    An entry point's name should be the registered one, so that a package that cannot be loaded is spoken of when its
    entry is asked for.
    """
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        try:
            point.load()
        except (Exception, SystemExit) as error:  # foreign code at import: whatever it raises must stay its own problem
            _skip(registry, point.name, _plug_in_line(point, error))


def load_custom_datasets() -> None:
    """Register every `NAME.toml` in the folders of `custom_folders`; of one name in two folders, the first counts."""
    files: dict[str, Path] = {}
    for folder in custom_folders(os.environ):
        try:
            found = sorted(folder.glob("*.toml")) if folder.is_dir() else []
        except OSError as error:
            _log.warning("The folder %s of own datasets cannot be read (%s). Check its permissions.", folder, error)
            continue
        for path in found:
            files.setdefault(path.stem, path)
    if not files:
        return
    from datasets_registry._custom.dataset import (
        read_custom,  # pydantic and the readers, which nobody without such files needs
    )

    for name, path in files.items():
        try:
            DATASETS.add(name, read_custom(path))
        except BenchError as error:
            text = str(error)
            _skip(DATASETS, name, text if str(path) in text else f"{path}: {text}")


def load_feature_bundles() -> None:
    """Register every imported feature bundle, `NAME/bundle.json` in the same folders."""
    for folder in custom_folders(os.environ):
        for path in sorted(folder.glob("*/bundle.json")) if folder.is_dir() else []:
            name = path.parent.name
            if name.startswith(".") or name in DATASETS:
                continue
            from datasets_registry._custom.feature_bundle import FeatureBundle  # pydantic, which few need here

            try:
                DATASETS.add(name, FeatureBundle(path.parent).info())
            except BenchError as error:
                _skip(DATASETS, name, str(error))


def _skip(registry: Registry[Any], name: str, reason: str) -> None:
    line = " ".join(reason.split())
    registry.mark_unavailable(name, line)
    _log.warning("warning: %s %r is left out: %s", registry.kind, name, line)


def _plug_in_line(point: EntryPoint, error: BaseException) -> str:
    package = point.dist.name if point.dist else "an unknown package"
    return (
        f"the plug-in of package {package!r} ({point.value}) could not be loaded "
        f"({type(error).__name__}: {error}). Update that package, or `pip uninstall {package}`."
    )
