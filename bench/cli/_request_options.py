"""The fields of a sweep request as options of a command, generated so that no option is written down twice."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

from bench.sweep.request import SweepRequest, option_name, option_of

_FROM_TEXT = (bool, int, float, Path)
"""Field types that the command line parses itself; all others arrive as text and are parsed by the request."""


def takes_request(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every option of a sweep request.

    The command receives those that were typed, or set by an environment variable, as `given`, by field name.
    """
    own = [item for name, item in inspect.signature(command, eval_str=True).parameters.items() if name != "given"]

    def run(**values: Any) -> None:
        context = values["context"]
        given = {name: values.pop(name) for name in SweepRequest.model_fields}
        chosen = {name: value for name, value in given.items() if _was_given(context, name, value)}
        command(given=chosen, **values)

    options = [_parameter(name) for name in SweepRequest.model_fields]
    first = [item for item in own if item.kind is not inspect.Parameter.KEYWORD_ONLY]
    last = [item for item in own if item.kind is inspect.Parameter.KEYWORD_ONLY]
    run.__signature__ = inspect.Signature([*first, *options, *last])  # type: ignore[attr-defined]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def _was_given(context: typer.Context, name: str, value: object) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT") and value is not None


def _parameter(name: str) -> inspect.Parameter:
    field, shown = SweepRequest.model_fields[name], option_of(name)
    names = [f"-{shown.short}"] if shown.short else []
    names.append(f"--{option_name(name)}")
    if field.annotation is bool:
        names = [f"--{option_name(name)}"]
    kind = _cli_type(field.annotation)
    limits = {key: getattr(item, key) for item in field.metadata for key in ("ge",) if hasattr(item, key)}
    settings: Mapping[str, Any] = {
        "help": field.description,
        "envvar": shown.env,
        "hidden": shown.hidden,
        "rich_help_panel": str(shown.panel),
        "min": limits.get("ge"),
    }
    default = None if field.is_required() else field.default
    if kind in (list[str], list[Path]):
        default = default or []
    elif kind is str and default is not None:
        default = ",".join(map(str, default)) if isinstance(default, list) else str(default)
    option = typer.Option(*names, show_default=default not in (None, [], False), **settings)
    annotation = kind if default is not None else kind | None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, option]
    )


def _cli_type(annotation: Any) -> Any:
    """The type that the command line parses: text, unless it has one of its own for it."""
    if get_origin(annotation) in (types.UnionType,):
        return _cli_type(next(item for item in get_args(annotation) if item is not type(None)))
    if annotation in _FROM_TEXT:
        return annotation
    if annotation in (list[str], list[Path]):
        return annotation
    return str
