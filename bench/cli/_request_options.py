"""Generates the options of a command from the fields of a sweep request."""

import inspect
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.models import OptionInfo

from bench.api import OnlyWith, SweepRequest, option_name, option_of
from bench.cli._print import remark
from bench.errors import UsageError
from datasets_registry import did_you_mean

_PARSED = (bool, int, float, Path, list[str], list[Path])
"""Field types that the command line parses itself; all others arrive as text and are parsed by the request."""
_RECEIVED = ("given", "environment")
_KEYED = {
    flag: {option_name(name): name for name in SweepRequest.model_fields if option_of(name).keyed_by == flag}
    for flag in ("--resource", "--option")
}
"""Fields of the request by their key, for the options that take KEY=VALUE."""
_SBATCH = "sbatch."
"""Prefix of the keys of other options of sbatch, which are items of the field `slurm_set`."""


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
        remark(f"note: {' '.join(f'{option} {one}' for one in texts)} is read as {option} {text}")
    return text


EXECUTION = (
    "device", "jobs", "jobs_per_gpu", "fast", "launcher", "rerun", "runs", "data_root", "cache", "tracker", "retries",
    "timeout", "memory", "runner",
)  # fmt: skip
"""Fields of the request that say how and where runs are computed, and not which."""


_WHERE = ("runs", "data_root", "cache")
"""Those that only say where things are."""


def takes_execution(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that runs `what` the options of a sweep request that say how and where; see `takes_request`."""
    return takes_request(command, EXECUTION, OnlyWith("what"))


def takes_request(
    command: Callable[..., None], fields: Collection[str] = tuple(SweepRequest.model_fields), *conditions: OnlyWith
) -> Callable[..., None]:
    """Give a command every option of a sweep request, or those of some fields and of clusters.

    The command receives typed options as `given` and those set by environment variables as `environment`, both by field
    name. Options other than those of folders have the conditions.
    """
    own = [item for name, item in inspect.signature(command, eval_str=True).parameters.items() if name not in _RECEIVED]
    named = {item.name for item in own}
    rare = {key: name for key, name in _KEYED["--option"].items() if name in fields}

    def run(**values: Any) -> None:
        context = values["context"]
        keyed = parse_keys("--resource", values.pop("resource"))
        keyed |= parse_keys("--option", values.pop("option"), fields)
        options = {name: values.pop(name) for name in SweepRequest.model_fields if name in values and name not in named}
        typed = {name: value for name, value in options.items() if _source(context, name) == "COMMANDLINE"}
        typed |= {name: joined(f"--{name}", value) for name, value in typed.items() if _is_numbers(name)}
        environment = {name: value for name, value in options.items() if _source(context, name) == "ENVIRONMENT"}
        command(given=typed | keyed, environment=environment, **values)

    options = [_parameter(name) for name in fields if not option_of(name).keyed_by]
    options += [_resource_parameter(), _rare_parameter(rare)]
    for at, one in enumerate(options):
        if conditions and one.name not in _WHERE:
            options[at] = one.replace(annotation=Annotated[(one.annotation, *conditions)])
    first = [item for item in own if item.kind is not inspect.Parameter.KEYWORD_ONLY]
    last = [item for item in own if item.kind is inspect.Parameter.KEYWORD_ONLY]
    run.__signature__ = inspect.Signature([*first, *options, *last])  # type: ignore[attr-defined]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def parse_keys(flag: str, texts: Sequence[str], only: Collection[str] | None = None) -> dict[str, Any]:
    """The values of `--resource KEY=VALUE` or `--option KEY=VALUE` by field name.

    Raises UsageError for an unknown or repeated key, and for a key without its value.

    Args:
        only: fields that the command has; all without it.
    """
    fields = {key: name for key, name in _KEYED[flag].items() if only is None or name in only}
    keys = [key for key, field in fields.items() if field != "slurm_set"]
    allowed = ", ".join([*keys, f"{_SBATCH}KEY"] if "slurm_set" in fields.values() else keys)
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if flag == "--resource" and key.startswith(_SBATCH) and key != _SBATCH:
            found.setdefault("slurm_set", []).append(text.strip().removeprefix(_SBATCH))
            continue
        if key not in keys:
            raise UsageError(f"{flag} {key!r} is unknown.{did_you_mean(key, keys, most=1)} Allowed: {allowed}.")
        field = fields[key]
        if _is_switch(field) is bool(equals) or (equals and not value.strip()):
            raise UsageError(f"{flag} {text!r}: write {flag} {_shape(key, field)}.")
        if field in found:
            raise UsageError(f"{flag} {key} is given twice.")
        found[field] = value.strip() if equals else True
    return found


def key_advice(option: str) -> str:
    """How to give a key that was given as an option of its own, such as `--partition`; else empty."""
    key = option.lstrip("-").replace("_", "-")
    if key == option_name("slurm_set"):
        return f" Write --resource {_SBATCH}KEY=VALUE instead."
    flag = next((flag for flag, fields in _KEYED.items() if key in fields), "")
    return f" Write {flag} {_shape(key, _KEYED[flag][key])} instead." if flag else ""


def _is_switch(field: str) -> bool:
    return SweepRequest.model_fields[field].annotation is bool


def _shape(key: str, field: str) -> str:
    """How a key is written: a switch has no value."""
    return key if _is_switch(field) else f"{key}=VALUE"


def _resource_parameter() -> inspect.Parameter:
    by_panel: dict[str, list[str]] = {}
    for key, field in _KEYED["--resource"].items():
        if field != "slurm_set":
            by_panel.setdefault(str(option_of(field).panel), []).append(key)
    keys = " ".join(f"{panel}: {', '.join(known)}." for panel, known in by_panel.items())
    return _keyed_parameter(
        "--resource",
        f"What a run or job takes on a cluster, as KEY=VALUE. Repeatable. {keys} {_SBATCH}KEY=VALUE is another "
        "option of sbatch. See `etl-bench doctor docs clusters`.",
    )


def _rare_parameter(fields: Mapping[str, str]) -> inspect.Parameter:
    texts = "; ".join(
        f"{_shape(key, field)} ({str(SweepRequest.model_fields[field].description).rstrip('.')})"
        for key, field in fields.items()
    )
    return _keyed_parameter("--option", f"A rare option, which a sweep file has as a key. Repeatable. {texts}.")


def _keyed_parameter(flag: str, text: str) -> inspect.Parameter:
    option = typer.Option(flag, help=text, rich_help_panel="How to run it", show_default=False)
    name = flag.removeprefix("--")
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=[], annotation=Annotated[list[str], option])


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
    shown = {"show_default": default not in (None, [], False), "rich_help_panel": str(option_of(name).panel)}
    option = request_option(name, **shown)
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
