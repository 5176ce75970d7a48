"""The library open_clip, and its names of architectures and weights without torch. Only this file imports it."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from types import ModuleType
from typing import Any

from methods._base.without_torch import ModulesWithoutTorch


def open_clip() -> ModuleType:
    """The library, imported on first use: the import is slow, and planning a sweep rarely needs it."""
    return importlib.import_module("open_clip")


def open_clip_names() -> Any:
    """The library's `list_models`, `get_model_config`, `list_pretrained_tags_by_model` and `get_pretrained_cfg`.

    They come from the library itself if it is imported already, since architectures may have been added to it.
    """
    if "open_clip" in sys.modules:
        return open_clip()
    try:
        return _factory()
    except (ImportError, AttributeError, TypeError):  # its files need torch in this release
        return open_clip()


@cache
def _factory() -> Any:
    run = [f"open_clip.{name}" for name in ("constants", "factory", "pretrained", "version")]
    absent = ("huggingface_hub", "open_clip", "safetensors", "torch", "tqdm")
    return ModulesWithoutTorch(run, absent).load("open_clip.factory")
