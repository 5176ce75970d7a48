"""The parity that cards speak of is measured, and a method that drifts away from its record is found."""

from __future__ import annotations

import re

import parity_record as measured
import pytest
import torch
from places import ROOT

from methods import METHODS, formula_tests, parity_record


def test_every_record_is_of_a_registered_method_and_is_rounding_noise() -> None:
    assert all(METHODS.get(name).info.name == name for name in parity_record())
    assert len(parity_record()) > 15
    stops_early = {"linear_probe"}  # an optimiser that stops at its own tolerance
    assert all(0 < value < 1e-4 for name, value in parity_record().items() if name not in stops_early)


def test_a_method_without_stored_official_numbers_has_a_reason_and_a_test_of_its_formula() -> None:
    _, _, section = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8").partition("no stored numbers")
    rows = [line.strip("|").split("|") for line in section.split("\n\n")[1].splitlines()[2:]]
    reasons = {
        name: code.strip() and reason.strip()
        for listed, code, reason in rows
        for name in re.findall(r"`(\w+)`", listed)
    }
    assert set(reasons) == set(METHODS) - {name.partition(":")[0] for name in parity_record()}
    assert all(reasons.values())
    assert set(reasons) <= set(formula_tests())


def test_a_method_that_drifts_from_its_record_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "recording", False)
    monkeypatch.setattr(measured, "seen", {})
    official = torch.tensor([[10.0, -20.0]])
    measured.note("coop", official, official)
    with pytest.raises(AssertionError, match=r"coop differs by 5\.0e-04 .* --record-parity"):
        measured.note("coop", official + 0.01, official)
    with pytest.raises(AssertionError, match="no_such_method has no parity"):
        measured.note("no_such_method", official, official)
