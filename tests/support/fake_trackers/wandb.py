"""The part of Weights & Biases that is used here, with its rules: a server in the memory of this process.

With `WANDB_MODE=offline` a run is a folder below `WANDB_DIR`.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

server: dict[str, Run] = {}
_numbers = itertools.count(1)


class Settings(SimpleNamespace):
    """Switches by name."""


def setup() -> SimpleNamespace:
    return SimpleNamespace(settings=SimpleNamespace(wandb_dir=str(Path(os.environ["WANDB_DIR"]) / "wandb")))


class _Config(dict):
    def update(self, values: dict[str, Any], allow_val_change: bool = False) -> None:
        changed = [key for key, value in values.items() if self.get(key, value) != value]
        if changed and not allow_val_change:
            raise ValueError(f"config value of {changed[0]} cannot be changed")
        super().update(values)


class Run:
    """A run, and what is logged to it."""

    def __init__(self, name: str, folder: Path | None) -> None:
        self.name, self.folder = name, folder
        self.config, self.summary, self.history = _Config(), {}, []
        self.steps: dict[str, str] = {}
        self.resumed = self.finished = False

    @property
    def offline(self) -> bool:
        return self.folder is not None

    @property
    def dir(self) -> str:
        assert self.folder is not None
        return str(self.folder / "files")

    def define_metric(self, name: str, step_metric: str | None = None, hidden: bool = False) -> None:
        if step_metric:
            self.steps[name] = step_metric

    def log(self, values: dict[str, float]) -> None:
        self.history.append(values)

    def finish(self) -> None:
        self.finished = True


def init(*, project: str, entity: str | None, id: str, name: str, group: str, **options: Any) -> Run:
    assert options["resume"] == "allow"
    assert len(name) <= 128
    if os.environ.get("WANDB_MODE") == "offline":
        folder = Path(setup().settings.wandb_dir) / f"offline-run-20260102_03040{next(_numbers)}-{id}"
        (folder / "files").mkdir(parents=True)
        return Run(name, folder)
    key = f"{entity}/{project}/{id}"
    known = key in server
    run = server.setdefault(key, Run(name, None))
    run.resumed, run.finished = known, False
    return run
