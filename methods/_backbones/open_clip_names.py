"""Names of open_clip's architectures and pretrained weights, read without torch."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from methods._backbones.open_clip_import import open_clip as library
from methods._base.without_torch import ModulesWithoutTorch


def open_clip() -> Any:
    """The library's `list_models`, `get_model_config`, `list_pretrained_tags_by_model` and `get_pretrained_cfg`.

    They come from the library itself if it is imported already, since architectures may have been added to it.
    """
    if "open_clip" in sys.modules:
        return library()
    try:
        return _factory()
    except (ImportError, AttributeError, TypeError):  # its files need torch in this release
        return library()


@cache
def _factory() -> Any:
    run = [f"open_clip.{name}" for name in ("constants", "factory", "pretrained", "version")]
    absent = ("huggingface_hub", "open_clip", "safetensors", "torch", "tqdm")
    return ModulesWithoutTorch(run, absent).load("open_clip.factory")
