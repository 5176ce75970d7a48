"""Methods that wrap other methods, `wrapper:host`: facts, checks and classes."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import create_model

from methods._base.method import Method
from methods._base.method_info import MethodInfo
from methods._base.registry import METHODS, Wrapper


def wrapped_info(
    host: MethodInfo,
    name: str,
    *,
    title: str,
    summary: str,
    paper: str,
    code: str,
    citation: str,
    settings: Mapping[str, Any],
    config_mixin: type[Any] | None = None,
    **facts: Any,
) -> MethodInfo:
    """The facts of a wrapper around a host: the host's facts with additional settings.

    Args:
        settings: pydantic fields `{name: (type, Field)}`; for a setting of the host, this replaces the default.
        config_mixin: overrides methods of the host's configuration.
        facts: other facts that differ from the host's; by default an ensemble that is trained like the host.
    """
    prefix = "".join(part.capitalize() for part in name.partition(":")[0].split("_"))
    recipes = {
        protocol: recipe.model_copy(update={"source": f"{host.title}'s: {recipe.source}"})
        for protocol, recipe in host.recipes.items()
    }
    bases = host.config if config_mixin is None else (config_mixin, host.config)
    return replace(
        host,
        name=name,
        title=title,
        summary=summary,
        paper=paper,
        code=code,
        citation=citation,
        config=create_model(f"{prefix}{host.config.__name__}", __base__=bases, **settings),
        **({"family": "ensemble", "recipes": recipes} | facts),
    )


def register_wrapper(
    name: str,
    mixin: type[Any],
    describe: Callable[[MethodInfo, str], MethodInfo],
    host_conflict: Callable[[type[Method[Any]]], str | None],
) -> None:
    """Register `name:host` as the mixin around any suitable host.

    Args:
        mixin: precedes the host among the base classes.
        describe: makes the facts from the host's facts and the name.
        host_conflict: why it cannot wrap a method, to follow the method's name in a sentence; None if it can.
    """

    @cache
    def wrap(host: type[Method[Any]]) -> type[Method[Any]]:
        info = describe(host.info, f"{name}:{host.info.name}")
        content = {"info": info, "__doc__": info.summary, "__module__": mixin.__module__}
        return type(f"{mixin.__name__}{host.__name__}", (mixin, host), content)

    def conflict(host: type[Method[Any]]) -> str | None:
        return "learns from a teacher, without labels" if host.info.needs_teacher else host_conflict(host)

    METHODS.add_wrapper(name, Wrapper(wrap, conflict))
