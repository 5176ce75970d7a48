"""The ledger of published numbers, read once."""

from __future__ import annotations

import pandas as pd
import pytest

from bench.papers import published_frame


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """Nobody changes it."""
    return published_frame()
