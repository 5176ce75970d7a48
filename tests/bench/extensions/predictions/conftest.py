"""Two datasets of four classes on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_datasets import write_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EuroSAT and DTD with four classes each, in CoOp's layout."""
    root = tmp_path_factory.mktemp("data")
    for name in ("eurosat", "dtd"):
        write_dataset(root, name)
    return root
