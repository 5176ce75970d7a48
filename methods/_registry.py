"""The registry of methods."""

from __future__ import annotations

from typing import Any, TypeVar

from datasets_registry._errors import RegistrationError
from datasets_registry._registry import Registry
from methods._base import Method, MethodInfo

METHODS: Registry[type[Method[Any]]] = Registry("method")
MethodT = TypeVar("MethodT", bound=type[Method[Any]])


def register_method(cls: MethodT) -> MethodT:
    """Class decorator: put a method into the catalogue under `cls.info.name`.

    Raises RegistrationError for a class without `info`, or a name that is malformed or taken.
    """
    info = cls.__dict__.get("info")
    if not isinstance(info, MethodInfo):
        raise RegistrationError(f"{cls.__name__} needs a class attribute `info: MethodInfo` of its own.")
    METHODS.add(info.name, cls)
    return cls


def get_method(name: str) -> type[Method[Any]]:
    """The method class of that name; raises UnknownNameError with near misses."""
    return METHODS.get(name)


def list_methods() -> list[MethodInfo]:
    """Facts of all registered methods, by name."""
    return [METHODS.get(name).info for name in METHODS]
