"""The methods as listings and plans see them, without torch: the same facts, settings, refusals and code digests."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import pytest

from bench.results.code_digests import machinery_digest, source_digest
from datasets_registry import BenchError, EvalProtocol
from methods import METHODS, Family, MethodInfo, known_methods, methods_without_torch

WRAPPERS = ("apex_on", "dept_on", "wise_ft_on")
NAMES = [*METHODS, *(f"{wrapper}:{host}" for wrapper in WRAPPERS for host in METHODS), "apex_on:", "coop:vpt", "copo"]


def found(registry: Any, name: str) -> Any:
    try:
        return registry.get(name)
    except BenchError as error:
        return type(error), str(error)


def facts(info: MethodInfo) -> dict[str, Any]:
    values = {field.name: getattr(info, field.name) for field in dataclasses.fields(info)}
    defaults = {protocol: info.default_config(protocol).model_dump() for protocol in EvalProtocol}
    shown = {"config": info.config.model_json_schema(), "formula": info.parameter_formula}
    return values | shown | {"defaults": defaults}


@pytest.mark.parametrize("name", NAMES)
def test_a_method_without_torch_has_the_facts_and_the_code_of_the_imported_one(name: str) -> None:
    ours, plain = found(methods_without_torch(), name), found(METHODS, name)
    if isinstance(plain, tuple):
        assert ours == plain
        return
    assert ours is not plain
    assert facts(ours.info) == facts(plain.info)
    assert (source_digest(ours), machinery_digest(ours)) == (source_digest(plain), machinery_digest(plain))


def test_settings_without_torch_are_checked_by_the_same_code() -> None:
    config = methods_without_torch().get("coop").info.config
    assert config(class_specific=True).closed_vocabulary()
    assert config(ctx_init="a photo of a").length == 4
    with pytest.raises(ValueError, match="71 words"):
        config(ctx_init="a" + " b" * 70)
    assert methods_without_torch().get("coop").info.family is Family.TEXT_PROMPT


def test_the_names_and_patterns_are_the_same() -> None:
    assert list(methods_without_torch()) == list(METHODS)
    for pattern in ("all", "*adapter*", "apex_on:maple"):
        assert methods_without_torch().match(pattern) == METHODS.match(pattern)


def test_with_torch_or_with_methods_of_other_packages_it_is_the_registry_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert known_methods() is METHODS
    monkeypatch.delitem(sys.modules, "torch")
    assert known_methods() is methods_without_torch()
    monkeypatch.setattr("methods._base.known_methods.entry_points", lambda group: (group,))
    assert known_methods() is METHODS


@pytest.mark.parametrize("error", [TypeError, SyntaxError])
def test_a_method_that_does_not_run_without_torch_is_imported(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its facts need a value of torch, or its file has a mistake, which the import reports with file and line."""

    def fails() -> None:
        raise error

    monkeypatch.setattr("methods._base.known_methods.methods_without_torch", fails)
    monkeypatch.delitem(sys.modules, "torch")
    assert known_methods() is METHODS
