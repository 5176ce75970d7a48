"""Runs in MLflow. The tag `etl_bench.run_id` identifies a run, and only a finished MLflow run counts as sent."""

import os
from collections.abc import Iterator

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run

from bench.extensions.trackers.tracked_run import PROJECT, TrackedRun

RUN_ID = "etl_bench.run_id"
_CREATED_AT = "etl_bench.created_at"


class MlflowTracker:
    """The experiment that `MLFLOW_EXPERIMENT_NAME` names, `clip-etl-bench` by default, at a tracking URI.

    Args:
        uri: of a server or of a database such as `sqlite:///mlflow.db`. Empty for `MLFLOW_TRACKING_URI`, or MLflow's
            own default.
    """

    def __init__(self, uri: str) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # MLflow's 7 take minutes
        self._client = MlflowClient(uri or None)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        found = self._client.get_experiment_by_name(name)
        self._experiment: str = found.experiment_id if found else self._client.create_experiment(name)

    def send(self, run: TrackedRun) -> bool:
        """Send a run; see `Tracker.send`."""
        earlier = self._runs_of(run.run_id)
        if any(item.info.status == "FINISHED" and _same(item, run) for item in earlier):
            return False
        end = round(run.created_at.timestamp() * 1000)
        begin = end - round(run.seconds * 1000)
        tags = {**run.tags, "group": run.group, RUN_ID: run.run_id, _CREATED_AT: run.created_at.isoformat()}
        made: str = self._client.create_run(self._experiment, begin, tags, run.name).info.run_id
        parameters = [Param(key, str(value)) for key, value in run.parameters.items()]
        self._client.log_batch(made, list(_metrics(run, end)), parameters)  # splits them into allowed requests
        self._client.set_terminated(made, "FINISHED", end)
        for item in earlier:
            self._client.delete_run(item.info.run_id)
        return True

    def _runs_of(self, run_id: str) -> list[Run]:
        return list(self._client.search_runs([self._experiment], f"tags.`{RUN_ID}` = '{run_id}'"))


def _same(found: Run, run: TrackedRun) -> bool:
    return bool(found.data.tags.get(_CREATED_AT) == run.created_at.isoformat())


def _metrics(run: TrackedRun, moment: int) -> Iterator[Metric]:
    """All metrics at step 0, and the learning curve with its epochs as steps."""
    for name, value in run.metrics.items():
        yield Metric(name, value, moment, 0)
    for epoch, values in run.curve:
        for name, value in values.items():
            yield Metric(f"curve/{name}", value, moment, epoch)
