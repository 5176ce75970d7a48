"""Parity record: how far each method's logits differ from those of its official implementation.

`python -m pytest tests/methods --record-parity` measures the differences from the official code's recorded numbers and
writes the file. Without the switch, the same tests fail if a difference exceeds its record.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

PARITY_FILE = "parity.json"


@cache
def parity_record() -> Mapping[str, float]:
    """By method, the largest difference from the official logits, relative to the largest official logit."""
    text = resources.files("methods").joinpath("_assets", PARITY_FILE).read_text()
    found: dict[str, float] = json.loads(text)
    return found


@cache
def formula_tests() -> Mapping[str, str]:
    """By method, the test in `tests/methods/` that compares it with a direct implementation of its formula."""
    text = resources.files("methods").joinpath("_assets", "formula_tests.json").read_text()
    found: dict[str, str] = json.loads(text)
    return found
