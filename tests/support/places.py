"""Folders that tests read."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

FIXTURES = ROOT / "tests" / "fixtures"
"""Recorded numbers and small files that belong to the tests."""

SHARED = Path(os.environ.get("ETL_BENCH_SHARED", ROOT.parent / "shared"))
"""Real images and features. They are never committed; tests that need them skip where they are absent."""
