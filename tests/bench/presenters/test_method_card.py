"""The card of a method says what the registry, the module and the parity record know, for any backbone."""

from __future__ import annotations

import re

import pytest

from bench.errors import ImpossibleCombinationError
from bench.presenters.method_card import FORMULA, backbone_for, learned_tensors, method_card, protocol_of
from methods import METHODS, parity_record, parse_backbone

TINY = parse_backbone("ViT-tiny.random")


@pytest.mark.parametrize("name", list(METHODS))
def test_the_tensors_of_a_card_are_those_that_the_formula_counts(name: str) -> None:
    method = METHODS.get(name)
    model = backbone_for(method.info, TINY)
    tensors = learned_tensors(method, model, n_classes=3, shots=2)
    config = method.info.default_config(protocol_of(method.info))
    if method.info.recipes:
        assert sum(t.parameters for t in tensors) == method.info.parameter_count(model, config, n_classes=3, shots=2)
    else:
        assert tensors == []


def test_a_card_tells_shapes_settings_sources_notes_parity_and_citation() -> None:
    card = method_card(METHODS.get("tip_adapter_f"), TINY, n_classes=5, shots=4)
    assert card["trained tensors"] == {"keys": "20 x 64 = 1280"}
    assert card["learned parameters"] == 1280
    assert card["measured on"] == "ViT-tiny.random, 5 classes of 4 shots"
    assert str(card["tip_adapter_f.beta"]).startswith("1.0  sharpness of the cache")
    assert "Tip-Adapter main.py" in str(card["recipe for few-shot"])
    assert "published numbers keep the epoch that is best on the *test* images" in " ".join(str(card["notes"]).split())
    assert re.search(r"differ by at most \d\.\de-\d+ of the largest", str(card["parity"]))
    assert str(card["citation"]).startswith("@inproceedings")


def test_a_method_without_recorded_numbers_says_so() -> None:
    unrecorded = next(name for name in METHODS if name not in parity_record())
    assert method_card(METHODS.get(unrecorded), TINY, n_classes=2, shots=1)["parity"] == FORMULA


def test_every_card_speaks_of_paper_and_official_file() -> None:
    for name in METHODS:
        notes = str(method_card(METHODS.get(name), TINY, n_classes=2, shots=1)["notes"])
        assert len(notes) > 80, f"{name}: its module says too little about paper, official file and differences"


def test_a_backbone_that_the_method_cannot_use_is_refused() -> None:
    with pytest.raises(ImpossibleCombinationError, match=r"vpt on RN50\.openai: it adds tokens .* use a ViT backbone"):
        backbone_for(METHODS.get("vpt").info, parse_backbone("RN50.openai"))
