"""The packages of the trackers: replaced by small ones with the same rules, or the installed ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT

FAKES = ROOT / "tests" / "support" / "fake_trackers"
_PACKAGES = ("mlflow", "wandb", "trackio")


@pytest.fixture
def fake_trackers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Imports find the replacements, also in other processes. Gives the file with all that MLflow received."""
    names = {name for name in sys.modules if name.split(".")[0] in _PACKAGES}
    for name in names | {f"bench.extensions.trackers.{name}" for name in _PACKAGES}:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(FAKES)
    monkeypatch.setenv("FAKE_TRACKER", str(tmp_path / "received.json"))
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    for name in ("WANDB_MODE", "WANDB_PROJECT", "MLFLOW_EXPERIMENT_NAME", "TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path / "received.json"
    for name in [name for name in sys.modules if name.split(".")[0] in _PACKAGES]:
        del sys.modules[name]
    for name in _PACKAGES:
        sys.modules.pop(f"bench.extensions.trackers.{name}", None)
