"""Generates the options of a command from the parameters of the function of `bench.api` that it calls."""

import inspect
import types
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from bench.api import Opt
from bench.cli._options import runs_to_read
from bench.cli._request_options import joined, request_option
from bench.errors import UsageError

_Command = Callable[..., None]
_KIND = inspect.Parameter.KEYWORD_ONLY


def options_of(*functions: Callable[..., Any]) -> Callable[[_Command], _Command]:
    """Give a command the options of some functions, whose values it receives by name.

    Values that the command does not name are in its `**options`, to be passed on to a function, unless they are None.
    Further parameters of the command are options of its own and stand last in the help. A command without `**options`
    names all options, in the order of the help. A default of the command stands in place of the function's.
    """
    marks: dict[str, Any] = {}
    generated: dict[str, inspect.Parameter] = {}
    for function in functions:
        options = {name: hint for name, hint in _hints_of(function).items() if isinstance(_mark(hint), Opt)}
        defaults = inspect.signature(function).parameters
        marks |= options
        generated |= {name: _parameter(name, hint, defaults[name].default) for name, hint in options.items()}

    def decorate(command: _Command) -> _Command:
        hints, parameters = _hints_of(command), dict(inspect.signature(command).parameters)
        first = generated if parameters.pop("options", None) else {}
        last = {
            name: parameter.replace(annotation=hints.get(name), kind=_KIND) for name, parameter in parameters.items()
        }
        for name in parameters.keys() & generated.keys():
            default = (
                generated[name].default
                if parameters[name].default is inspect.Parameter.empty
                else parameters[name].default
            )
            last[name] = generated[name].replace(default=default)
        defaults = {
            name: parameter.default
            for name, parameter in (first | last).items()
            if parameter.default is not parameter.empty
        }

        def run(**given: Any) -> None:
            values = defaults | given
            values |= {name: _typed(name, _mark(hint), values[name]) for name, hint in marks.items()}
            command(**{name: value for name, value in values.items() if name in parameters or value is not None})

        run.__signature__ = inspect.Signature(list((first | last).values()))  # type: ignore[attr-defined]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        return run

    return decorate


def _mark(hint: Any) -> Any:
    return next(iter(getattr(hint, "__metadata__", ())), None)


def _typed(name: str, mark: Opt, value: Any) -> Any:
    """The value for the function; None for its default."""
    if mark.numbers:
        return joined(f"--{name}", value) if value else None
    return (_pairs(value, mark.names, mark.pairs) or None) if mark.pairs else value


def _pairs(texts: Sequence[str], option: str, example: str) -> dict[str, str]:
    """The values by what is before the last `=`; raises UsageError for a text without one, or a repetition."""
    pairs: dict[str, str] = {}
    for text in texts:
        label, equals, name = text.rpartition("=")
        if not name.strip() or not equals:
            raise UsageError(
                f"{option} {text!r} has no {'value' if equals else '='}; write {option} {example}, for example."
            )
        if label in pairs:
            raise UsageError(f"{option} gives {label!r} twice, as {pairs[label]!r} and {name.strip()!r}. Give it once.")
        pairs[label] = name.strip()
    return pairs


def _parameter(name: str, hint: Any, default: Any) -> inspect.Parameter:
    mark = _mark(hint)
    kind = list[str] if mark.numbers or mark.pairs else _cli_type(get_args(hint)[0])
    if default is not inspect.Parameter.empty:
        if get_origin(kind) is list:
            default = [default] if isinstance(default, str) else list(default or ())
        elif kind is Path and default is not None:
            default = Path(default)
    kind = kind | None if default is None else kind
    return inspect.Parameter(name, _KIND, default=default, annotation=Annotated[kind, _shown(name, mark)])


def _shown(name: str, mark: Opt) -> Any:
    """What typer is to show."""
    if mark.field:
        if mark.read and mark.field == "data_root":
            return request_option(mark.field)
        return request_option(mark.field, callback=runs_to_read if mark.read else None)
    facts: dict[str, Any] = {"help": mark.help, "min": mark.min, "max": mark.max, "metavar": mark.metavar}
    if mark.positional:
        return typer.Argument(**facts)
    usual_name = [] if "--" in mark.names else [f"--{name.replace('_', '-')}"]
    return typer.Option(*mark.names.split(), *usual_name, **facts)


def _cli_type(hint: Any) -> Any:
    """The type that the command line parses: the first of several, and a list for a sequence."""
    if get_origin(hint) is types.UnionType:
        return _cli_type(get_args(hint)[0])
    return list[_cli_type(get_args(hint)[0])] if get_origin(hint) is Sequence else hint  # type: ignore[misc]


@cache
def _hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of parameters with their marks; one that only type checkers know is `object`."""
    namespace = dict(inspect.unwrap(function).__globals__)
    texts = {name: text for name, text in inspect.get_annotations(function).items() if name != "return"}
    while True:
        try:
            return get_type_hints(types.SimpleNamespace(__annotations__=texts), namespace, include_extras=True)
        except NameError as error:
            namespace[error.name] = object
