"""The stored facts of the methods are those of their code: the same values, refusals and checks of settings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from one_case import for_each
from pydantic import Field, ValidationError, field_validator

from datasets_registry import BenchError, EvalProtocol
from methods import (
    METHODS,
    MethodConfig,
    MethodFactsRegistry,
    MethodTraits,
    facts_as_json,
    facts_from_json,
    facts_of,
    get_method,
    stored_facts,
)

STORED = MethodFactsRegistry()
WRAPPERS = ("apex_on", "atprompt_on", "dept_on", "dpc_on", "tcpt_on", "wise_ft_on")
NAMES = [*METHODS, *(f"{wrapper}:{host}" for wrapper in WRAPPERS for host in METHODS)]
WRONG = ["apex_on:", "coop:vpt", "copo", "apex_on:copo", "apex_on:apex_on:coop", "apexx_on:coop"]
VALUES: list[Any] = [None, -1, 0, 0.5, 1, 10**9, True, "", "end", "oracle", "0.5", [], [0.1, 0.9], ["q"], {}]


def found(registry: Any, name: str) -> Any:
    try:
        return registry.get(name)
    except BenchError as error:
        return type(error), str(error)


@for_each("name", [*NAMES, *WRONG])
def test_stored_facts_and_refusals_are_those_of_the_code(name: str) -> None:
    method = found(METHODS, name)
    if isinstance(method, tuple):
        assert found(STORED, name) == method
        return
    facts = STORED.get(name)
    assert facts == facts_of(method)
    for protocol in EvalProtocol:
        assert facts.settled(protocol) == method.info.settled(protocol)
        assert json.dumps(facts.settled(protocol).values) == json.dumps(method.info.settled(protocol).values)
        assert facts.recipe_for(protocol) == method.info.recipe_for(protocol)
    fields = method.info.config.model_fields
    assert {key: one.default for key, one in facts.settings.items()} == {
        key: one.default for key, one in fields.items()
    }


def checked(traits: MethodTraits, key: str, value: Any) -> Any:
    try:
        return traits.settled(EvalProtocol.FEW_SHOT, {key: value})
    except ValidationError as error:
        return [(problem["loc"], problem["msg"]) for problem in error.errors()]


@for_each("name", list(METHODS))
def test_values_are_checked_as_by_the_code(name: str) -> None:
    facts, info = STORED.get(name), METHODS.get(name).info
    for key in facts.settings:
        for value in VALUES:
            assert checked(facts, key, value) == checked(info, key, value), (key, value)


def test_names_and_patterns_are_the_same() -> None:
    assert list(STORED) == list(METHODS)
    for pattern in ("all", "*adapter*", "apex_on:maple"):
        assert STORED.match(pattern) == METHODS.match(pattern)


def test_a_method_that_this_process_registered_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS._entries, "mine", get_method("apex_on:kgcoop"))
    assert STORED.get("mine").title == "KgCoOp + APEX ensemble"
    assert "mine" in STORED
    assert "mine" not in stored_facts().methods


class Config(MethodConfig):
    """Settings that a schema describes in part."""

    words: str = Field("a photo", description="words")
    sizes: dict[str, int] = Field(default_factory=lambda: {"a": 1})
    rate: float = 1

    @field_validator("words")
    @classmethod
    def _short(cls, words: str) -> str:
        if len(words) > 9:
            raise ValueError("too long")
        return words


def test_settings_that_only_code_can_check_are_marked() -> None:
    host = get_method("clip_adapter")

    class Mine(host):  # type: ignore[valid-type, misc]
        info = host.info.__class__(**{**vars(host.info), "name": "mine", "config": Config, "config_by_protocol": {}})

    facts = facts_of(Mine)
    assert {key: one.in_code for key, one in facts.settings.items()} == {"words": True, "sizes": True, "rate": False}
    assert facts.settled(EvalProtocol.FEW_SHOT).values == {"words": "a photo", "sizes": {"a": 1}, "rate": 1.0}
    assert facts_from_json(json.loads(json.dumps(facts_as_json(facts)))) == facts
