"""Images on their way to a GPU: bytes in pinned memory, the pixels of the CPU, and two passes queued before a wait."""

from __future__ import annotations

import json
from typing import Any

import pytest
from places import ROOT
from pretended_script import run_script


@pytest.fixture(scope="module")
def facts(needs_compiler: None) -> dict[str, Any]:
    done = run_script(ROOT / "tests" / "gpu" / "pretended_pixels.py")
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_pixels_are_bytes_until_they_are_on_the_device(facts: dict[str, Any]) -> None:
    assert facts["same pixels"] is True
    assert facts["pinned"] == 1
    assert facts["pixels"] == {"operations": 3 + 1, "waits": 0, "pageable": 0}, "float and arithmetic"


def test_the_size_of_a_pass_is_that_of_the_device(facts: dict[str, Any]) -> None:
    assert facts["passes"] == [32, 256, "fp32.cuda90x256"]
    assert facts["difference"] < 1e-6


def test_two_passes_are_queued_before_the_first_is_waited_for(facts: dict[str, Any]) -> None:
    assert facts["events"] == ["pass"] * 3 + ["wait", "pass", "wait", "pass", "wait"] + ["wait"] * 2
