"""Methods around other methods, `wrapper:host`: how one is described, refused and made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import create_model

from datasets_registry import BenchError
from methods._base.info import Family, MethodInfo
from methods._base.method import Method
from methods._base.registry import METHODS


def wrapped_info(
    host: MethodInfo,
    name: str,
    *,
    title: str,
    summary: str,
    citation: str,
    settings: Mapping[str, Any],
    config_mixin: type[Any] | None = None,
    **facts: Any,
) -> MethodInfo:
    """The facts of a wrapper around a host: the host's, with some settings more.

    Args:
        host: facts of the method inside.
        name: registry name of the two together.
        title: as it is written in tables.
        summary: one sentence.
        citation: BibTeX entry of the wrapper.
        settings: pydantic fields `{name: (type, Field)}`; one that the host has already gets the wrapper's default.
        config_mixin: overrides methods of the host's configuration.
        facts: any others that differ from the host's; unless they say else, it is an ensemble and trained as the host.
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
        citation=citation,
        config=create_model(f"{prefix}{host.config.__name__}", __base__=bases, **settings),
        **({"family": Family.ENSEMBLE, "recipes": recipes} | facts),
    )


def register_wrapper(
    name: str,
    mixin: type[Any],
    describe: Callable[[MethodInfo, str], MethodInfo],
    why_not: Callable[[type[Method[Any]]], str | None],
) -> Callable[[type[Method[Any]]], type[Method[Any]]]:
    """Let `name:host` stand for the mixin around any host that fits; returns what makes such a class.

    Args:
        name: registry id of the wrapper.
        mixin: stands in front of the host among the bases.
        describe: facts of the host, and the name of the two together, to the facts of the two together.
        why_not: why it cannot be put around a method, as the end of a sentence about it; None if it can.

    Raises:
        BenchError: from what is returned, for a host that does not fit; those that do are listed.
    """

    @cache
    def around(host: type[Method[Any]]) -> type[Method[Any]]:
        if reason := why_not(host):
            fitting = [other for other in METHODS if why_not(METHODS.get(other)) is None]
            raise BenchError(
                f"{name} cannot be put around {host.info.name!r}, which {reason}; choose one of {', '.join(fitting)}."
            )
        info = describe(host.info, f"{name}:{host.info.name}")
        content = {"info": info, "__doc__": info.summary, "__module__": mixin.__module__}
        return type(f"{mixin.__name__}{host.__name__}", (mixin, host), content)

    METHODS.add_wrapper(name, around)
    return around
