"""A home that tests may write to, and two datasets of four classes on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fork_runs import own_home
from small_datasets import write_dataset


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's folder during a file of tests; trusted code is noted below it."""
    place = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        own_home(patch, place)
        yield place


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EuroSAT and DTD with four classes each, in CoOp's layout."""
    root = tmp_path_factory.mktemp("data")
    for name in ("eurosat", "dtd"):
        write_dataset(root, name)
    return root
