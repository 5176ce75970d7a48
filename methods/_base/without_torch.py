"""Runs Python modules without torch, to read their facts without the seconds that an import of torch takes.

A module that is loaded here runs as usual, but names from torch are placeholders. Its classes, settings, recipes and
plain functions are real; only its computations fail. The module has another name in `sys.modules`, so an ordinary
import of it is not affected.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, resolve_name, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any


class Placeholder:
    """Stands for anything in an absent package. It can be named, subclassed and called, but computing with it fails."""

    def __getattr__(self, name: str) -> Placeholder:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: object) -> Placeholder:
        return self

    def __call__(self, *_: object, **__: object) -> Placeholder:
        return self

    def __or__(self, other: object) -> Placeholder:
        return self

    __ror__ = __or__

    def __mro_entries__(self, bases: object) -> tuple[type, ...]:
        return ()

    def __bool__(self) -> bool:
        raise TypeError("This value is not known, since the package that it comes from is not loaded.")

    def __str__(self) -> str:
        raise TypeError("This text is not known, since the package that it comes from is not loaded.")


PLACEHOLDER = Placeholder()


class ModulesWithoutTorch:
    """Modules that run without torch, each loaded once. All other imports work as usual.

    Args:
        run: modules, or top-level packages with all of their modules, that run here.
        absent: top-level packages that are placeholders, except for modules in `run`.
        shared: modules that are imported as usual although their package is in `run`, so that their classes are the
            same everywhere; they must not need torch.
    """

    def __init__(self, run: Collection[str], absent: Collection[str], shared: Collection[str] = ()) -> None:
        self._to_run, self._absent, self._shared = run, absent, shared
        self._loaded: dict[str, Any] = {}
        self._builtins = vars(builtins) | {"__import__": self._import}

    def load(self, name: str) -> Any:
        """The module of that name; for a package with a stub, an object with its public names."""
        if name not in self._loaded:
            names = public_names(name)
            self._loaded[name] = _PublicNames(self, names) if names else self._run(name)
        return self._loaded[name]

    def _run(self, name: str) -> ModuleType:
        parent, _, last = name.rpartition(".")
        file = _file_in_package(parent, f"{last}.py")
        if file is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        code = SourceFileLoader(name, str(file)).get_code(name)
        assert code is not None  # a source file always has some
        module = self._loaded[name] = ModuleType(f"{name} without torch")
        module.__spec__ = spec_from_file_location(name, file)
        module.__file__, module.__package__ = str(file), parent
        vars(module)["__builtins__"] = self._builtins  # import statements call the `__import__` that is found there
        sys.modules[module.__name__] = module  # where dataclasses and pydantic look for the names in annotations
        exec(code, vars(module))
        return module

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """The `__import__` of these modules."""
        full = resolve_name("." * level + name, (globals or {})["__package__"]) if level else name
        top = full.partition(".")[0]
        if (top in self._to_run or full in self._to_run) and full not in self._shared:
            return self.load(full if fromlist else top)
        if top in self._absent:
            return PLACEHOLDER
        return builtins.__import__(name, globals, locals, fromlist or (), level)


class _PublicNames:
    """The public names of a package, by the modules that define them."""

    def __init__(self, modules: ModulesWithoutTorch, names: Mapping[str, str]) -> None:
        self._modules, self._names = modules, names

    def __getattr__(self, name: str) -> Any:
        if name not in self._names:
            raise AttributeError(name)
        return getattr(self._modules._import(self._names[name], fromlist=(name,)), name)


@cache
def public_names(package: str) -> dict[str, str]:
    """The defining module of each public name of a package, from its `__init__.pyi`; empty without such a stub."""
    stub = _file_in_package(package, "__init__.pyi")
    if stub is None:
        return {}
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level == 1]
    return {alias.name: f"{package}.{node.module}" for node in imports for alias in node.names}


def _file_in_package(package: str, file: str) -> Path | None:
    """A file in a package, found without importing the package; None if there is none."""
    top, *below = package.split(".")
    spec = find_spec(top)
    places = (spec.submodule_search_locations if spec is not None else None) or ()
    return next((path for place in places if (path := Path(place, *below, file)).is_file()), None)
