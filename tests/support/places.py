"""Folders that tests read."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

FIXTURES = ROOT / "tests" / "fixtures"
"""Recorded numbers and small files that belong to the tests."""

SHARED = Path(os.environ.get("ETL_BENCH_SHARED", ROOT.parent / "shared"))
"""Real images and features, never committed. Tests of them add to tests of generated data, and run where they exist."""
REAL_DATA = SHARED / "data"
"""Splits, images and features of the tests marked `real_data`."""
