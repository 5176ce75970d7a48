"""Every method gives the predictions that its version gave before."""

from __future__ import annotations

import json

import pytest
import torch

from methods import METHODS
from tools.golden_predictions import COMMAND, FILE, golden

GOLDEN = json.loads(FILE.read_text(encoding="utf-8"))
TOLERANCE = 5e-4
"""Of the largest logit. Three sets of processor instructions differed by 9e-5; training changes at least 1.7e-3."""


@pytest.mark.portable
@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_gives_the_predictions_of_its_version(name: str) -> None:
    now, before = golden(name), GOLDEN.get(name, {"version": None, "logits": []})
    again = f"raise `MethodInfo.version` of {name} to {METHODS.get(name).info.version + 1} and run `{COMMAND}`"
    assert now["version"] == before["version"], f"run `{COMMAND}` after a change of a version or a new method"
    logits, expected = torch.tensor(now["logits"]), torch.tensor(before["logits"])
    assert logits.shape == expected.shape
    difference = float((logits - expected).abs().max() / expected.abs().max())
    assert difference <= TOLERANCE, (
        f"The logits of {name} differ from the stored ones by {difference:.1e} of the largest. Either the change is a "
        f"mistake, or {again}."
    )


def test_every_stored_method_exists() -> None:
    assert set(GOLDEN) == set(METHODS), f"run `{COMMAND}`"
