"""The fake runner's behaviour, and a folder to launch its runs in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.context import RunContext
from bench.sweep.launch.tasks import Surroundings


@pytest.fixture
def behave(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set how the fake runner behaves, here and in workers."""

    def behave(**behaviour: object) -> None:
        monkeypatch.setenv("FAKE_RUNNER", json.dumps(behaviour))

    return behave


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    return Surroundings(runs=tmp_path / "runs", context=RunContext(cache_dir=tmp_path / "cache"), runner="fake_runner")
