"""Runs in Weights & Biases. The run id is the id there, so that a run sent again is the same run."""

import os
from pathlib import Path
from typing import Any

import wandb

from bench.extensions.trackers.tracked_run import PROJECT, TrackedRun

_CREATED_AT = "etl_bench/created_at"
"""Summary value that is written last. A run with the same value was sent completely."""
MARKER = "etl-bench-sent.txt"
"""File with that value in the folder of an offline run, whose summary cannot be read."""
_LONGEST_NAME = 128


class WandbTracker:
    """A project of Weights & Biases. `WANDB_MODE=offline` writes folders for `wandb sync`; `WANDB_DIR` is where.

    Args:
        project: `[ENTITY/]PROJECT`. Empty for `WANDB_PROJECT`, or `clip-etl-bench`.
    """

    def __init__(self, project: str) -> None:
        entity, _, name = project.rpartition("/")
        # what this machine does while it sends says nothing about the run
        self._settings = wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
        )
        self._entity = entity or None
        self._project = name or os.environ.get("WANDB_PROJECT") or PROJECT
        self._folder = Path(wandb.setup().settings.wandb_dir)

    def send(self, run: TrackedRun) -> bool:
        """Send a run; see `Tracker.send`. Of a replaced result, curve points and other extra metrics stay."""
        moment = run.created_at.isoformat()
        if any(file.read_text() == moment for file in self._folder.glob(f"offline-run-*-{run.run_id}/{MARKER}")):
            return False
        opened = wandb.init(
            entity=self._entity,
            project=self._project,
            id=run.run_id,
            name=run.name[:_LONGEST_NAME],
            group=run.group[:_LONGEST_NAME],
            resume="allow",
            reinit="finish_previous",
            settings=self._settings,
        )
        try:
            if opened.resumed and opened.summary.get(_CREATED_AT) == moment:
                return False
            _fill(opened, run, moment)
        finally:
            opened.finish()
        if opened.offline:
            (Path(opened.dir).parent / MARKER).write_text(moment)
        return True


def _fill(opened: Any, run: TrackedRun, moment: str) -> None:
    """Write everything into an open run."""
    opened.config.update({**run.parameters, **run.tags}, allow_val_change=True)
    opened.define_metric("epoch", hidden=True)
    opened.define_metric("curve/*", step_metric="epoch")
    for epoch, values in run.curve:
        opened.log({"epoch": epoch} | {f"curve/{name}": value for name, value in values.items()})
    opened.summary.update({**run.metrics, _CREATED_AT: moment})
