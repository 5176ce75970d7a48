"""The stored facts of the methods are those of their code: the same values and refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from one_case import for_each
from pydantic import ValidationError

from datasets_registry import BenchError, EvalProtocol
from methods import METHODS, MethodFactsRegistry, facts_as_json, facts_from_json, facts_of, get_method, stored_facts

STORED = MethodFactsRegistry()
WRAPPERS = ("apex_on", "atprompt_on", "dept_on", "dpc_on", "tcpt_on", "wise_ft_on")
NAMES = [*METHODS, *(f"{wrapper}:{host}" for wrapper in WRAPPERS for host in METHODS)]
WRONG = ["apex_on:", "coop:vpt", "copo", "apex_on:copo", "apex_on:apex_on:coop", "apexx_on:coop"]


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
    fields = dict(method.info.config.model_fields)
    if not any("by_dataset" in values for values in method.info.config_by_protocol.values()):
        del fields["by_dataset"]
    assert {key: one.default for key, one in facts.settings.items()} == {
        key: None if one.default_factory else one.default for key, one in fields.items()
    }


def test_changed_settings_are_checked_by_the_method() -> None:
    facts, info = STORED.get("coop"), METHODS.get("coop").info
    changes = {"n_ctx": 8, "ctx_init": ""}
    assert facts.settled(EvalProtocol.FEW_SHOT, changes) == info.settled(EvalProtocol.FEW_SHOT, changes)
    with pytest.raises(ValidationError, match="than or equal to 1"):
        facts.settled(EvalProtocol.FEW_SHOT, {"n_ctx": 0})


def test_a_table_by_dataset_without_values_is_left_out() -> None:
    facts, info = STORED.get("stata"), METHODS.get("stata").info
    changes = {"templates": ("own",)}
    assert "by_dataset" in facts.settled(EvalProtocol.TEST_TIME).values
    checked = info.settled(EvalProtocol.TEST_TIME, changes).values
    assert "by_dataset" not in checked
    assert facts.unchecked(EvalProtocol.TEST_TIME, changes).values.keys() == checked.keys()


def test_names_and_patterns_are_the_same() -> None:
    assert list(STORED) == list(METHODS)
    for pattern in ("all", "*adapter*", "apex_on:maple"):
        assert STORED.match(pattern) == METHODS.match(pattern)


def test_a_method_that_this_process_registered_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS._entries, "mine", get_method("apex_on:kgcoop"))
    assert STORED.get("mine").title == "KgCoOp + APEX ensemble"
    assert "mine" in STORED
    assert "mine" not in stored_facts()["methods"]


def test_facts_survive_json() -> None:
    for name in ("clip_adapter", "clip_lora", "promptsrc"):
        facts = facts_of(METHODS.get(name))
        assert facts_from_json(json.loads(json.dumps(facts_as_json(facts)))) == facts
