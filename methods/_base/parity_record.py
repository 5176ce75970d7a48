"""How near each method came to its official implementation: the measured differences, as the tests recorded them.

`python -m pytest tests/methods --record-parity` measures them again on the recorded numbers of the official code and
writes the file; without the switch the same tests fail where a difference has outgrown its record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

PARITY_FILE = "parity.json"


@cache
def parity_record() -> Mapping[str, float]:
    """Largest difference of logits from the official ones, relative to the largest of these, by method."""
    text = resources.files("methods").joinpath("_assets", PARITY_FILE).read_text()
    found: dict[str, float] = json.loads(text)
    return found
