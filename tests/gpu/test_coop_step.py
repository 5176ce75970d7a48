"""CoOp on ViT-B/16: at most 600 operations of the forward and backward pass in fp32, and no cast of a frozen weight."""

from __future__ import annotations

import json
from typing import Any

import pytest
from places import ROOT
from pretended_script import run_script


def counted(*options: str) -> dict[str, Any]:
    done = run_script(ROOT / "tests" / "gpu" / "coop_step.py", *options)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def narrow(needs_compiler: None) -> dict[str, Any]:
    return counted()


@pytest.mark.slow  # test_every_method.py counts the operations of each family
def test_the_passes_of_a_coop_step_on_vit_b16_have_at_most_600_operations(narrow: dict[str, Any]) -> None:
    assert 0 < narrow["fp32"]["operations"] <= 600
    assert narrow["fp32"]["update"] <= 4
    assert narrow["fp32"]["waits"] == narrow["bf16"]["waits"] == 1
    assert narrow["fp32"]["pageable"] == narrow["bf16"]["pageable"] == 0


@pytest.mark.slow  # so does test_every_method.py
def test_no_frozen_weight_is_rounded_in_a_step_in_half_precision(narrow: dict[str, Any]) -> None:
    assert narrow["bf16"]["casts before"] > 0, "rounded once"
    assert narrow["bf16"]["casts"] == {}


@pytest.mark.slow  # the tests above count the same blocks with 64 channels
def test_the_count_of_narrow_towers_is_that_of_vit_b16(narrow: dict[str, Any]) -> None:
    assert counted("--whole") == narrow
