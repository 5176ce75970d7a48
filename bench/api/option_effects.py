"""One rule for options without effect: a parameter that is given and cannot act is an error, in Python and commands.

Options that say where things are, how much may be used, or what is allowed may be given when nothing needs them.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Collection, Mapping
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar, get_type_hints

from bench.api.options import Opt
from bench.errors import UsageError
from bench.sweep import option_name

P = ParamSpec("P")
T = TypeVar("T")


class OnlyWith:
    """Stands beside the `Opt` of a parameter that acts only with another one.

    Args:
        other: name of the other parameter.
        values: those of its values with which the parameter acts, empty for its absence; any value without them.
    """

    def __init__(self, other: str, *values: str) -> None:
        self.other, self.values = other, values

    def met(self, value: object) -> bool:
        """Whether the parameter acts with this value of the other one."""
        if not self.values:
            return not _absent(value)
        found = value if isinstance(value, list | tuple) else [value]
        return any(("" if one is None else str(one)) in self.values for one in found or [None])

    def problem(self, option: str, other: str, value: object) -> str:
        """What is wrong with an option that is given with this value of the other one; both as they are typed."""
        if not self.values:
            return f"{option} has no effect without {other}; give {other} or leave {option} out."
        shown = f"without {other}" if _absent(value) else f"with {other} {_text(value)}"
        allowed = " or ".join(filter(None, self.values))
        return f"{option} has no effect {shown}; use {other} {allowed}, or leave {option} out."


class NotWith(OnlyWith):
    """Stands beside the `Opt` of a parameter that does not act with another one, or with these values of it."""

    def met(self, value: object) -> bool:
        """Whether the parameter acts with this value of the other one."""
        return not super().met(value)

    def problem(self, option: str, other: str, value: object) -> str:
        """What is wrong with an option that is given with this value of the other one; both as they are typed."""
        shown = f" {_text(value)}" if self.values else ""
        return f"{option} has no effect with {other}{shown}; leave one of them out."


def _absent(value: object) -> bool:
    """Whether a parameter is not given: a number always is."""
    return value is None or value is False or value in ("", (), [], {})


def _same(value: object, default: object) -> bool:
    """Whether a value is the default, which may be of another type: `Path("runs")` and "runs" are one folder."""
    return value == default or (_absent(value) and _absent(default)) or _text(value) == _text(default)


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def conditions_of(hint: object) -> tuple[OnlyWith, ...]:
    """The conditions of an annotated parameter."""
    return tuple(one for one in getattr(hint, "__metadata__", ()) if isinstance(one, OnlyWith))


def refuse_without_effect(
    given: Collection[str], values: Mapping[str, object], typed: Mapping[str, str], hints: Mapping[str, object]
) -> None:
    """Raise UsageError for a parameter that is given and does not act.

    Args:
        given: names of the parameters that are given.
        values: the values of all parameters by name; a condition on another name counts as met.
        typed: how each parameter is typed.
        hints: the types of parameters with their conditions.
    """
    for name in given:
        for one in conditions_of(hints.get(name)):
            if one.other in values and not one.met(values[one.other]):
                raise UsageError(one.problem(typed[name], typed[one.other], values[one.other]))


def checks_effects(function: Callable[P, T]) -> Callable[P, T]:
    """The function, which first refuses a parameter that does not act. One is given if its value is not the default."""
    signature = inspect.signature(function)

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        hints, values = hints_of(function), bound.arguments
        given = [name for name, one in signature.parameters.items() if not _same(values[name], one.default)]
        refuse_without_effect(given, values, {name: _typed(name, hint) for name, hint in hints.items()}, hints)
        return function(*args, **kwargs)

    return checked


def _typed(name: str, hint: object) -> str:
    """How the parameter of a function is typed as an option or an argument."""
    mark = next((one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Opt)), Opt())
    if mark.positional:
        return name.upper()
    if mark.field:
        return f"--{option_name(mark.field)}"
    long = [part for part in mark.names.split("/")[0].split() if part.startswith("--")]
    return long[0] if long else f"--{name.replace('_', '-')}"


@cache
def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of parameters with their marks; one that only type checkers know is `object`."""
    known = dict(inspect.unwrap(function).__globals__)
    texts = {name: text for name, text in inspect.get_annotations(function).items() if name != "return"}
    while True:
        try:
            return get_type_hints(types.SimpleNamespace(__annotations__=texts), known, include_extras=True)
        except NameError as error:
            known[error.name] = object
