"""The registry of methods."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from datasets_registry import (
    METHODS_GROUP,
    RegistrationError,
    Registry,
    UnknownNameError,
    import_catalogue,
    load_entry_points,
    load_method_files,
)
from methods._base.method import Method
from methods._base.method_info import MethodInfo, refuse_host


def _load_catalogue() -> None:
    import methods

    import_catalogue(methods.__name__, methods.__path__, METHODS)
    load_entry_points(METHODS_GROUP, METHODS)
    load_method_files(METHODS)


@dataclass(frozen=True)
class Wrapper:
    """A method around other methods.

    Args:
        around: makes the class around a host.
        host_conflict: why it cannot wrap a method, to follow the method's name in a sentence; None if it can.
    """

    around: Callable[[type[Method[Any]]], type[Method[Any]]]
    host_conflict: Callable[[type[Method[Any]]], str | None]


class MethodRegistry(Registry[type[Method[Any]]]):
    """Methods by name; `wrapper:host` is a wrapper, such as `apex_on`, around another method."""

    def __init__(self) -> None:
        super().__init__("method", _load_catalogue)
        self._wrappers: dict[str, Wrapper] = {}

    def add_wrapper(self, name: str, wrapper: Wrapper) -> None:
        """Register the wrapper as `name:host`."""
        self._wrappers[name] = wrapper

    @property
    def wrappers(self) -> Mapping[str, Wrapper]:
        """All wrappers by name."""
        return self._wrappers if self.entries else {}

    @property
    def registered(self) -> Mapping[str, type[Method[Any]]]:
        """The methods that were registered so far; loads no others."""
        return self._entries

    def get(self, name: str) -> type[Method[Any]]:
        """The method of that name, or `wrapper:host`.

        Raises UnknownNameError with near misses, or BenchError, listing suitable hosts, if the wrapper does not fit.
        """
        wrapper, colon, host = name.partition(":")
        if not colon:
            return super().get(name)
        inner = super().get(host)  # loads the catalogue, and the wrappers with it
        wrapping = self._wrappers.get(wrapper)
        if wrapping is None:
            raise UnknownNameError("wrapper method", wrapper, self._wrappers)
        if reason := wrapping.host_conflict(inner):
            refuse_host(
                wrapper,
                host,
                reason,
                [fit for fit, cls in sorted(self.entries.items()) if not wrapping.host_conflict(cls)],
            )
        return wrapping.around(inner)

    def infos(self) -> list[MethodInfo]:
        """Facts of all methods, sorted by name; wrappers appear only around their default host."""
        return [self.get(name).info for name in self]


METHODS = MethodRegistry()
MethodT = TypeVar("MethodT", bound=type[Method[Any]])


def register_method(cls: MethodT) -> MethodT:
    """Class decorator: register a method under `cls.info.name`.

    Raises RegistrationError for a class without `info`, a name that is malformed or taken, or a title that does not fit
    into a table.
    """
    info = cls.__dict__.get("info")
    if not isinstance(info, MethodInfo):
        raise RegistrationError(f"{cls.__name__} needs its own class attribute `info: MethodInfo`.")
    METHODS.add(info.name, cls, info.title, cls.__module__)
    return cls


def get_method(name: str) -> type[Method[Any]]:
    """The method class of that name; raises UnknownNameError with near misses."""
    return METHODS.get(name)


def list_methods() -> list[MethodInfo]:
    """Facts of all registered methods, sorted by name."""
    return METHODS.infos()
