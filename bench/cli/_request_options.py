"""Generates the options of a command from the fields of a sweep request."""

import inspect
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.models import OptionInfo

from bench.sweep import SweepRequest, option_name, option_of

_PARSED = (bool, int, float, Path, list[str], list[Path])
"""Field types that the command line parses itself; all others arrive as text and are parsed by the request."""
_RECEIVED = ("given", "environment")


def request_option(name: str, **shown: Any) -> OptionInfo:
    """The option of `etl-bench run` for a field of the request; `shown` are further arguments of `typer.Option`."""
    field, option = SweepRequest.model_fields[name], option_of(name)
    info: OptionInfo = typer.Option(
        *([f"-{option.short}"] if option.short else []),
        f"--{option_name(name)}",
        help=field.description,
        envvar=option.env,
        hidden=option.hidden,
        min=next((item.ge for item in field.metadata if hasattr(item, "ge")), None),
        **shown,
    )
    return info


def takes_request(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every option of a sweep request.

    The command receives typed options as `given` and those set by environment variables as `environment`, both by field
    name.
    """
    own = [item for name, item in inspect.signature(command, eval_str=True).parameters.items() if name not in _RECEIVED]

    def run(**values: Any) -> None:
        context = values["context"]
        options = {name: values.pop(name) for name in SweepRequest.model_fields}
        typed = {name: value for name, value in options.items() if _source(context, name) == "COMMANDLINE"}
        environment = {name: value for name, value in options.items() if _source(context, name) == "ENVIRONMENT"}
        command(given=typed, environment=environment, **values)

    options = [_parameter(name) for name in SweepRequest.model_fields]
    first = [item for item in own if item.kind is not inspect.Parameter.KEYWORD_ONLY]
    last = [item for item in own if item.kind is inspect.Parameter.KEYWORD_ONLY]
    run.__signature__ = inspect.Signature([*first, *options, *last])  # type: ignore[attr-defined]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def _source(context: typer.Context, name: str) -> str | None:
    source = context.get_parameter_source(name)
    return None if source is None else source.name


def _parameter(name: str) -> inspect.Parameter:
    field = SweepRequest.model_fields[name]
    kind = _cli_type(field.annotation)
    default = None if field.is_required() else field.default
    if kind in (list[str], list[Path]):
        default = default or []
    elif kind is str and default is not None:
        default = ",".join(map(str, default)) if isinstance(default, list) else str(default)
    shown = {"show_default": default not in (None, [], False), "rich_help_panel": str(option_of(name).panel)}
    option = request_option(name, **shown)
    annotation = kind if default is not None else kind | None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, option]
    )


def _cli_type(annotation: Any) -> Any:
    if get_origin(annotation) is types.UnionType:
        return _cli_type(next(item for item in get_args(annotation) if item is not type(None)))
    return annotation if annotation in _PARSED else str
