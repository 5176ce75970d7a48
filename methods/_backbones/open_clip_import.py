"""The one place that imports open_clip."""

from __future__ import annotations

import importlib
from types import ModuleType


def open_clip() -> ModuleType:
    """The library, imported on first use: it takes longer than torch itself, and planning a sweep seldom needs it."""
    return importlib.import_module("open_clip")
