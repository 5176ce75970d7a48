"""The library open_clip, and its names of architectures and weights without torch. Only this file imports it."""

from __future__ import annotations

import ast
import atexit
import gc
import importlib
import sys
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any


def open_clip() -> ModuleType:
    """The library, imported on first use: the import is slow, and planning a sweep rarely needs it."""
    if "open_clip" in sys.modules:
        return sys.modules["open_clip"]
    collecting = gc.isenabled()
    gc.disable()  # the import makes a million objects that stay, and each collection would visit them all
    atexit.register(gc.freeze)  # so would those at the end of the process
    try:
        return importlib.import_module("open_clip")
    finally:
        if collecting:
            gc.enable()


def open_clip_names() -> Any:
    """The names of the library's `factory.py`, such as `get_model_config` and `list_pretrained_tags_by_model`.

    They come from the library itself if it is imported already, since architectures may have been added to it.
    """
    if "open_clip" in sys.modules:
        return open_clip().factory
    try:
        return _factory()
    except (ImportError, OSError, NameError, AttributeError, TypeError):  # its files need torch in this release
        return open_clip().factory


@cache
def _factory() -> Any:
    """The functions of the library's `factory.py` that find names."""
    spec = find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'open_clip'")
    folder = Path(spec.origin).parent
    names: dict[str, Any] = {}
    for file in ("constants.py", "pretrained.py", "factory.py"):
        names = _names_of(folder / file, names)
    return SimpleNamespace(**names)


def _names_of(file: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    """`known` and the names that a file defines, which is run without imports from outside the standard library."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tree.body = [statement for statement in tree.body if not isinstance(statement, ast.Try) and _is_standard(statement)]
    names = dict(known) | {"__file__": str(file)}
    exec(compile(tree, file, "exec", flags=annotations.compiler_flag), names)
    return names


def _is_standard(statement: ast.stmt) -> bool:
    """Whether a statement imports nothing, or from the standard library."""
    if isinstance(statement, ast.ImportFrom):
        return not statement.level and statement.module in sys.stdlib_module_names
    if isinstance(statement, ast.Import):
        return all(alias.name in sys.stdlib_module_names for alias in statement.names)
    return True
