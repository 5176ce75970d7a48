"""Measuring how near a method comes to its official implementation, and holding it to what was recorded."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from torch import Tensor

SLACK = 10
"""Another machine's rounding may differ by this factor; a mistake differs by thousands."""

seen: dict[str, float] = {}
"""The largest difference of this session, by method."""
recording = False
"""Whether this session writes the record instead of being held to it."""


def note(method: str, ours: Tensor, theirs: Tensor) -> None:
    """Measure a method's logits against the official ones; fail if they are further apart than the record says."""
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
    """Put this session's measurements into the file that the package ships; methods not measured keep theirs."""
    from methods import parity_record
    from methods._base.parity_record import PARITY_FILE

    path = Path(str(resources.files("methods").joinpath("_assets", PARITY_FILE)))
    merged = {**parity_record(), **{method: float(f"{value:.1e}") for method, value in seen.items()}}
    path.write_text(json.dumps(dict(sorted(merged.items())), indent=1) + "\n")
