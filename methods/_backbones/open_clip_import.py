"""The one place that imports open_clip."""

import importlib
from types import ModuleType


def open_clip() -> ModuleType:
    """The library, imported on first use: the import is slow, and planning a sweep rarely needs it."""
    return importlib.import_module("open_clip")
