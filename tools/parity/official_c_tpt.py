"""C-TPT (hee-suk-yoon/C-TPT): its adaptation, which is that of TPT with a further term of the loss."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import official_tpt as tpt
from recording import CaseSettings, Weights
from torch import Tensor

SOURCE = "hee-suk-yoon/C-TPT@085e6c2 tpt_classification.py (test_time_tuning), clip/custom_clip.py (inference)"
CASES = {
    "fine_grained": tpt.case("base", "eurosat", views=31, dispersion=50.0),
    "shifts": tpt.case("all", "eurosat", views=15, selected=0.3, dispersion=20.0),
    "biglr": tpt.case("all", "eurosat", views=15, selected=0.3, lr=0.05, dispersion=50.0),
}


def run(checkout: Path, case: CaseSettings, clip: Weights, start: Mapping[str, Tensor]) -> Any:
    """As for TPT, with the further term switched on."""
    more = {"run_type": "tpt_ctpt", "lambda_term": case.settings["dispersion"], "two_step": False}
    return tpt.run(checkout, case, clip, start, more, [defaultdict(list)])
