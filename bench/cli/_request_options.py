"""Generates the options of a command from the fields of a sweep request."""

import inspect
import types
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.models import OptionInfo

from bench.api import SweepRequest, option_name, option_of
from bench.cli._print import remark
from bench.errors import UsageError

_PARSED = (bool, int, float, Path, list[str], list[Path])
"""Field types that the command line parses itself; all others arrive as text and are parsed by the request."""
_RECEIVED = ("given", "environment")


def request_option(name: str, **shown: Any) -> OptionInfo:
    """The option of `etl-bench run` for a field of the request; `shown` are further arguments of `typer.Option`."""
    field, option = SweepRequest.model_fields[name], option_of(name)
    if name == "data_root":
        shown.setdefault("callback", _existing_folder)
    info: OptionInfo = typer.Option(
        *([f"-{option.short}"] if option.short else []),
        f"--{option_name(name)}",
        help=field.description,
        envvar=option.env,
        hidden=option.hidden,
        min=next((item.ge for item in field.metadata if hasattr(item, "ge")), None),
        max=next((item.le for item in field.metadata if hasattr(item, "le")), None),
        **shown,
    )
    return info


def _existing_folder(context: typer.Context, folder: Path | None) -> Path | None:
    """The folder; raises UsageError if it was typed, not taken from the environment, and does not exist."""
    if folder is not None and not folder.is_dir() and _source(context, "data_root") == "COMMANDLINE":
        is_not = "is not a folder" if folder.exists() else "does not exist"
        raise UsageError(f"--data-root {folder} {is_not}; give the folder that contains the datasets.")
    return folder


def joined(option: str, texts: Sequence[str]) -> str:
    """The items of a list of numbers as one text; says on standard error how a repeated option is read."""
    text = ",".join(texts)
    if len(texts) > 1:
        remark(f"note: {' '.join(f'{option} {part}' for part in texts)} is read as {option} {text}")
    return text


EXECUTION = (
    "device", "jobs", "jobs_per_gpu", "launcher", "rerun", "runs", "data_root", "cache", "tracker", "retries",
    "no_wait", "timeout", "memory", "runner",
)  # fmt: skip
"""Fields of the request that say how and where runs are computed, and not which."""


def takes_execution(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that runs `what` the options of a sweep request that say how and where; see `takes_request`."""
    return takes_request(command, EXECUTION)


def takes_request(
    command: Callable[..., None], fields: Collection[str] = tuple(SweepRequest.model_fields)
) -> Callable[..., None]:
    """Give a command every option of a sweep request, or those of some fields.

    The command receives typed options as `given` and those set by environment variables as `environment`, both by field
    name.
    """
    command_parameters = [
        item for name, item in inspect.signature(command, eval_str=True).parameters.items() if name not in _RECEIVED
    ]
    command_names = {item.name for item in command_parameters}

    def run(**values: Any) -> None:
        context = values["context"]
        options = {
            name: values.pop(name) for name in SweepRequest.model_fields if name in values and name not in command_names
        }
        typed = {name: value for name, value in options.items() if _source(context, name) == "COMMANDLINE"}
        typed |= {name: joined(f"--{name}", value) for name, value in typed.items() if _is_numbers(name)}
        environment = {name: value for name, value in options.items() if _source(context, name) == "ENVIRONMENT"}
        command(given=typed, environment=environment, **values)

    options = [_parameter(name) for name in fields]
    first = [item for item in command_parameters if item.kind is not inspect.Parameter.KEYWORD_ONLY]
    last = [item for item in command_parameters if item.kind is inspect.Parameter.KEYWORD_ONLY]
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
    if _is_numbers(name):
        default = [",".join(map(str, default or ()))]
    elif kind in (list[str], list[Path]):
        default = default or []
    elif kind is str and default is not None:
        default = str(default)
    help_options = {"show_default": default not in (None, [], False), "rich_help_panel": str(option_of(name).panel)}
    option = request_option(name, **help_options)
    annotation = kind if default is not None else kind | None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, option]
    )


def _is_numbers(name: str) -> bool:
    """Whether the field is a list of numbers, which a text such as `1,2,4` gives."""
    return SweepRequest.model_fields[name].annotation == list[int]


def _cli_type(annotation: Any) -> Any:
    if annotation == list[int]:
        return list[str]
    if get_origin(annotation) is types.UnionType:
        return _cli_type(next(item for item in get_args(annotation) if item is not type(None)))
    return annotation if annotation in _PARSED else str
