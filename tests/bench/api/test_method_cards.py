"""The card of a method says what the registry, the module and the parity record know, for any backbone."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import replace
from typing import Any

import pytest
from families_of_methods import one_of_each_family
from one_case import for_each
from places import ROOT
from teachers import teacher_file
from tiny_runs import BACKBONE, DATASET

from bench.api.method_cards import LISTED_FOR, UNCOMPARED, Learned, listed, measured, method_card
from bench.errors import ImpossibleCombinationError
from bench.sweep import SweepRequest, expand
from datasets_registry import EvalProtocol
from methods import METHODS, Method, facts_of, formula_tests, official_runs, parity_record, parse_backbone

TINY = parse_backbone("ViT-tiny.random")


@pytest.mark.parametrize("name", one_of_each_family(list(METHODS)))
def test_the_tensors_of_a_card_are_those_that_the_formula_counts(name: str) -> None:
    method = METHODS.get(name)
    learned = measured(method, TINY, n_classes=3, shots=2)
    if method.info.recipes:
        assert sum(math.prod(shape) for shape in learned.tensors.values()) == learned.parameters
    else:
        assert learned.tensors == {}


def test_a_listed_card_equals_the_measured_one() -> None:
    method, (slug, n_classes, shots) = METHODS.get("maple"), LISTED_FOR
    facts = facts_of(method)
    backbone = parse_backbone(slug)
    found = listed(facts, backbone, n_classes=n_classes, shots=shots)
    assert found == measured(method, backbone, n_classes=n_classes, shots=shots)
    assert listed(facts, backbone, n_classes=n_classes, shots=shots + 1) is None
    assert listed(facts, TINY, n_classes=n_classes, shots=shots) is None
    assert listed(replace(facts, name="other"), backbone, n_classes=n_classes, shots=shots) is None


def test_a_card_tells_shapes_settings_sources_notes_parity_and_citation() -> None:
    card = card_of(METHODS.get("tip_adapter_f"), n_classes=5, shots=4)
    assert card["trained tensors"] == {"keys": "20 x 64 = 1280"}
    assert card["learned parameters"] == 1280
    assert card["measured on"] == "ViT-tiny.random, 5 classes of 4 shots"
    assert str(card["tip_adapter_f.beta"]).startswith("1.0  sharpness of the cache")
    assert "Tip-Adapter main.py" in str(card["recipe for few-shot"])
    assert "chosen on the *test* images" in " ".join(str(card["notes"]).split())
    assert re.search(r"\d\.\de-\d+ of the largest", str(card["parity"]))
    assert str(card["citation"]).startswith("@inproceedings")


def card_of(method: type[Method[Any]], n_classes: int = 2, shots: int = 1) -> dict[str, object]:
    learned = measured(method, TINY, n_classes=n_classes, shots=shots)
    return method_card(facts_of(method), TINY, learned, n_classes=n_classes, shots=shots)


def unmeasured_card(name: str) -> dict[str, object]:
    """The card of a method that is not built, so without what it learns."""
    return method_card(facts_of(METHODS.get(name)), TINY, Learned(0, {}), n_classes=2, shots=1)


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> dict[EvalProtocol, set[str]]:
    """The methods of which a sweep over all methods plans runs, by protocol, with a pool and a teacher."""
    folder, learned = tmp_path_factory.mktemp("teachers"), {}
    for protocol in (EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW):
        learned[protocol] = {"unlabelled": "train", "teacher": teacher_file(folder, protocol=protocol, name=protocol)}
    targets = {EvalProtocol.CROSS_DATASET: ["spectrum_words"], EvalProtocol.DOMAIN_GENERALIZATION: ["spectrum_clutter"]}
    return {
        protocol: {
            spec.method
            for spec in expand(
                SweepRequest(
                    methods=["all"],
                    datasets=[DATASET],
                    backbones=[BACKBONE],
                    protocol=protocol,
                    shots=[2],
                    seeds=[1],
                    targets=targets.get(protocol, []),
                    **learned.get(protocol, {}),
                )
            ).specs
        }
        for protocol in EvalProtocol
    }


@for_each("name", list(METHODS))
def test_a_card_lists_settings_of_exactly_the_protocols_that_a_sweep_accepts(
    name: str, accepted: dict[EvalProtocol, set[str]]
) -> None:
    info, card = METHODS.get(name).info, unmeasured_card(name)
    protocols = [protocol for protocol in EvalProtocol if name in accepted[protocol]]
    assert card["protocols"] == protocols
    expected = {f"recipe for {protocol}" for protocol in protocols if info.recipes}
    expected |= {f"settings for {protocol}" for protocol in protocols if info.config_by_protocol.get(protocol)}
    assert {key for key in card if key.startswith(("recipe for", "settings for"))} == expected


@for_each("name", list(METHODS))
def test_a_card_speaks_of_its_paper_and_names_a_comparison_that_exists(name: str) -> None:
    assert len(facts_of(METHODS.get(name)).notes) > 70, "its module says too little"
    parity = str(unmeasured_card(name)["parity"])
    if name in parity_record():
        assert parity.startswith("equal to the official")
    elif name in formula_tests():
        file, _, test = formula_tests()[name].partition("::")
        assert f"tests/methods/{file}::{test} compares it with" in parity
        assert parity.startswith(
            "gave the predictions" if name in official_runs() else "not compared with official code"
        )
        functions = [
            node for node in ast.parse((ROOT / "tests/methods" / file).read_text()).body if hasattr(node, "name")
        ]
        found = next(node for node in functions if node.name == test)
        words = ast.unparse(found).lower().replace("_", "")
        assert name.removesuffix("_on").replace("_", "") in words or name in file
    else:
        assert parity == UNCOMPARED


def test_every_comparison_belongs_to_a_method() -> None:
    assert set(formula_tests()) <= set(METHODS) - set(parity_record())
    assert set(official_runs()) <= set(formula_tests())


def test_the_card_of_a_plug_in_claims_no_test_and_no_protocol_that_is_refused() -> None:
    host = METHODS.get("clip_adapter")

    class PlugIn(host):  # type: ignore[valid-type, misc]
        info = replace(host.info, name="my_adapter", open_vocabulary=False)

    card = card_of(PlugIn)
    assert card["parity"] == UNCOMPARED
    assert card["protocols"] == ["few-shot"]
    assert [key for key in card if key.startswith("recipe for")] == ["recipe for few-shot"]


def test_a_backbone_that_the_method_cannot_use_is_refused() -> None:
    method, refusal = METHODS.get("vpt"), r"vpt on RN50\.openai: it works inside .* use a ViT back"
    with pytest.raises(ImpossibleCombinationError, match=refusal):
        listed(facts_of(method), parse_backbone("RN50.openai"), n_classes=3, shots=2)
    with pytest.raises(ImpossibleCombinationError, match=refusal):
        measured(method, parse_backbone("RN50.openai"), n_classes=3, shots=2)
