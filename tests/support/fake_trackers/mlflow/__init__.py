"""The part of MLflow's client that is used here, with its rules, on a JSON file that `FAKE_TRACKER` names.

`FAKE_TRACKER_FAULT` makes it fail: `refuse` (every request), `break` (after a run was begun), `hang` or `die`.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlflow.entities import Metric, Param, RunTag


class MlflowException(Exception):  # noqa: N818  its name in MLflow
    """An error of the server."""


class MlflowClient:
    """Behaves like the client of release 3.17 with an SQLite database."""

    def __init__(self, tracking_uri: str | None = None) -> None:
        self.uri = tracking_uri
        self._file = Path(os.environ["FAKE_TRACKER"])
        fault(self._file, "refuse", "hang", "die")

    def get_experiment_by_name(self, name: str) -> SimpleNamespace | None:
        found = self._read()["experiments"].get(name)
        return None if found is None else SimpleNamespace(experiment_id=found)

    def create_experiment(self, name: str) -> str:
        data = self._read()
        data["experiments"][name] = str(len(data["experiments"]) + 1)
        self._write(data)
        return data["experiments"][name]

    def create_run(self, experiment_id: str, start_time: int, tags: dict[str, str], run_name: str) -> SimpleNamespace:
        data = self._read()
        run_id = f"{len(data['runs']):032x}"
        data["runs"][run_id] = {
            "experiment": experiment_id, "name": run_name, "start": start_time, "end": None, "status": "RUNNING",
            "deleted": False, "tags": dict(tags), "params": {}, "metrics": [],
        }  # fmt: skip
        self._write(data)
        return self._run(run_id, data["runs"][run_id])

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
    ) -> None:
        fault(self._file, "break")
        data = self._read()
        run = data["runs"][run_id]
        for item in params:
            if run["params"].setdefault(item.key, item.value) != item.value:
                raise MlflowException(f"parameter {item.key} cannot be changed")
        for item in metrics:
            if not re.fullmatch(r"[\w\-. :/]+", item.key):
                raise MlflowException(f"invalid metric name {item.key}")
            run["metrics"].append([item.key, item.value, item.step])
        run["tags"] |= {item.key: item.value for item in tags}
        self._write(data)

    def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
        data = self._read()
        data["runs"][run_id] |= {"status": status, "end": end_time}
        self._write(data)

    def delete_run(self, run_id: str) -> None:
        data = self._read()
        data["runs"][run_id]["deleted"] = True
        self._write(data)

    def search_runs(self, experiment_ids: list[str], filter_string: str = "") -> list[SimpleNamespace]:
        found = re.fullmatch(r"tags\.`(.+)` = '(.+)'", filter_string)
        return [
            self._run(run_id, run)
            for run_id, run in self._read()["runs"].items()
            if run["experiment"] in experiment_ids
            and not run["deleted"]
            and (found is None or run["tags"].get(found[1]) == found[2])
        ]

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        rows = self._read()["runs"][run_id]["metrics"]
        return [Metric(name, value, 0, step) for name, value, step in rows if name == key]

    def _run(self, run_id: str, run: dict[str, Any]) -> SimpleNamespace:
        info = SimpleNamespace(
            run_id=run_id, status=run["status"], run_name=run["name"], start_time=run["start"], end_time=run["end"]
        )
        metrics = {name: value for name, value, _ in run["metrics"]}
        return SimpleNamespace(info=info, data=SimpleNamespace(params=run["params"], metrics=metrics, tags=run["tags"]))

    def _read(self) -> dict[str, Any]:
        return json.loads(self._file.read_text()) if self._file.exists() else {"experiments": {}, "runs": {}}

    def _write(self, data: dict[str, Any]) -> None:
        self._file.write_text(json.dumps(data))


def fault(file: Path, *kinds: str) -> None:
    """Fail as `FAKE_TRACKER_FAULT` says, if it names one of these kinds."""
    kind = os.environ.get("FAKE_TRACKER_FAULT")
    if kind not in kinds:
        return
    if kind == "hang":
        time.sleep(600)
    if kind == "die":
        os._exit(9)
    raise MlflowException(f"the server\nof {file.name} does not answer")
