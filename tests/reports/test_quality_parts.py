"""The section on calibration: its tables have columns of prediction sets if a run has such sets."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from bench.analysis import Quality, student_t
from reports.parts.quality import quality_parts


@pytest.mark.parametrize("has_sets", [True, False])
def test_columns_of_prediction_sets_are_those_of_runs_that_have_them(has_sets: bool) -> None:
    values = {"accuracy": [0.8, 0.9]} | ({"set_size": [1.25, 1.75], "set_coverage": [0.94, 0.96]} if has_sets else {})
    rows = (
        Quality("coop", "all", {k: student_t(v) for k, v in values.items()}, dict.fromkeys(values, 1), ("run",)),
        Quality("vpt", "all", {"accuracy": student_t([0.7, 0.8])}, {"accuracy": 1}, ("other",)),
    )
    view = SimpleNamespace(quality=rows, reliability=(), agreement=(), anchor="b", numbers={"coop": 1, "vpt": 2})
    fold, note = quality_parts(view)
    table = json.dumps(fold, ensure_ascii=False)
    assert ["Set size ↓" in table, "Set coverage" in table, "1.50 ±3.18" in table] == [has_sets] * 3
    assert ("true class with 95 %" in note[1]) is has_sets
