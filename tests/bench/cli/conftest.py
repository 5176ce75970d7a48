"""A folder in which commands are mistyped."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_answers import fill_place, work_in


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs, pictures, and files of the wrong kind."""
    folder = tmp_path_factory.mktemp("place")
    fill_place(folder)
    return folder


@pytest.fixture
def inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder, as the working folder and the home."""
    work_in(place, monkeypatch)
    monkeypatch.setenv("PATH", str(place))  # without sbatch, so that no test submits jobs
    return place
