"""The registered methods for code that only reads their facts: listings, plans, refusals. Loads no torch."""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, cast

import methods
from datasets_registry import IMPORT_MISTAKES, METHODS_GROUP, catalogue_modules
from methods._base import method_info, recipe, selection
from methods._base.without_torch import ModulesWithoutTorch

if TYPE_CHECKING:
    from methods._base.registry import MethodRegistry

ABSENT = ("torch", "jaxtyping", "safetensors", "scipy", "threadpoolctl", "open_clip")
"""Packages that methods need for computations only, not for their facts."""
SHARED = (method_info, recipe, selection)
"""Modules of facts. They are imported as usual, so that `info.family is Family.ZERO_SHOT` means the same everywhere."""


def known_methods() -> MethodRegistry:
    """The registry of methods, to read facts from.

    Its classes are loaded without torch: they have their facts, settings, base classes and files, but cannot compute;
    `get_method` returns classes that can. If torch is loaded already, other packages add methods, or the file of a
    method cannot run without torch, this is the ordinary registry, which names a file that cannot be imported.
    """
    if "torch" not in sys.modules and not entry_points(group=METHODS_GROUP):
        try:
            return methods_without_torch()
        except IMPORT_MISTAKES:  # the facts of a method need a value of torch, or the import below names the mistake
            pass
    return methods.METHODS


@cache
def methods_without_torch() -> MethodRegistry:
    """The methods of this package, loaded without torch."""
    modules = ModulesWithoutTorch({methods.__name__}, ABSENT, {module.__name__ for module in SHARED})
    registry = cast("MethodRegistry", modules.load("methods._base.registry").METHODS)
    for name in catalogue_modules(methods.__name__, methods.__path__):
        modules.load(name)
    registry.is_complete()
    return registry
