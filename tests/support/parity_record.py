"""Measures how much a method differs from its official implementation, and compares that with the record."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SLACK = 10
"""Another machine's rounding may differ by this factor; a mistake differs by thousands."""

seen: dict[str, float] = {}
"""The largest difference in this session, by method."""
recording = False
"""Whether this session writes the record instead of comparing with it."""


def note(method: str, ours: Tensor, theirs: Tensor) -> None:
    """Measure a method's logits against the official ones; fail if they differ more than recorded."""
    from methods import parity_record

    found = float((ours.detach() - theirs).abs().max() / theirs.abs().max())
    seen[method] = max(seen.get(method, 0.0), found)
    if recording:
        return
    recorded = parity_record().get(method)
    again = "Measure again with `python -m pytest tests/methods --record-parity`."
    assert recorded is not None, f"{method} has no parity record. {again}"
    assert found <= SLACK * recorded, (
        f"{method} differs by {found:.1e} from its official logits, recorded {recorded:.1e}. {again}"
    )


def write() -> None:
    """Write this session's measurements into the packaged file; other methods keep theirs."""
    from methods import parity_record
    from methods._base.method_info import PARITY_FILE

    path = Path(str(resources.files("methods").joinpath("_assets", PARITY_FILE)))
    merged = {**parity_record(), **{method: float(f"{value:.1e}") for method, value in seen.items()}}
    path.write_text(json.dumps(dict(sorted(merged.items())), indent=1) + "\n")
