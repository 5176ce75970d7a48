"""Logs each finished run of a sweep, its settings and its scores, to Weights & Biases, trackio or MLflow."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.analysis import metrics
from bench.errors import UsageError
from bench.record import RunRecord
from bench.results import Shards
from bench.sweep.options import TrackerName

_PROJECT = "clip-etl-bench"
_LONGEST_NAME = 128  # of a run in Weights & Biases
_LONGEST_REASON = 200


def check_tracker(name: TrackerName) -> None:
    """Raise UsageError if the package of a tracker is not installed."""
    if name is TrackerName.NONE:
        return
    package = find_spec(name)
    if package is None or package.origin is None:  # a folder `wandb` with offline runs is not the package
        raise UsageError(f"--tracker {name} needs the package {name}; run `pip install {name}`.")


class Tracker:
    """Where the finished runs of a folder are logged, in the process that stores them.

    A tracker never stops a sweep: the first failure is one notice, and the runs after it are stored but not logged.
    """

    def __init__(self, name: TrackerName, runs: Path, notice: Callable[[str], None]) -> None:
        self._name, self._runs, self._notice = name, runs, notice
        self._works = name is not TrackerName.NONE

    def log(self, run_id: str) -> None:
        """Log a run whose record is stored."""
        if not self._works:
            return
        try:
            record = Shards(self._runs).record(run_id)
            if record is not None:
                with redirect_stdout(sys.stderr):  # what trackers print is no part of a result in JSON
                    _LOGGED_TO[self._name](self._name, record)
        except (Exception, SystemExit) as error:
            self._works = False
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON].rstrip(".")
            self._notice(
                f"{self._name} failed ({reason}); no further run of this sweep is logged there. "
                f"All results are in {self._runs}."
            )


def _log_to_wandb(module: str, record: RunRecord) -> None:
    """Log to Weights & Biases, or to trackio, which has the same functions."""
    os.environ.setdefault("WANDB_SILENT", "true")  # else it writes a dozen lines about each run
    os.environ.setdefault("WANDB_CONSOLE", "off")
    run = import_module(module).init(
        project=os.environ.get("WANDB_PROJECT") or _PROJECT,
        name=record.spec.label()[:_LONGEST_NAME],
        config=dict(_settings(record)),
    )
    try:
        run.log(_scores(record))
    finally:
        run.finish()


def _log_to_mlflow(module: str, record: RunRecord) -> None:
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # its 7 take minutes
    mlflow = import_module(module)
    mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME") or _PROJECT)
    with mlflow.start_run(run_name=record.spec.label()):
        mlflow.log_params(dict(_settings(record)))
        mlflow.log_metrics(_scores(record))


_LOGGED_TO = {
    TrackerName.WANDB: _log_to_wandb,
    TrackerName.TRACKIO: _log_to_wandb,
    TrackerName.MLFLOW: _log_to_mlflow,
}


def _settings(record: RunRecord) -> Iterator[tuple[str, Any]]:
    """What decides the result: run id, method, dataset and so on; `config.*` and `recipe.*` are those of the method."""
    yield "run_id", record.run_id
    yield from _flat(record.spec.model_dump(mode="json", exclude={"schema_version"}), "")


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Nested settings with joined names, without those that are not set."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", ",".join(map(str, value)) if isinstance(value, list) else value


def _scores(record: RunRecord) -> dict[str, float]:
    """`SPLIT/METRIC` as fractions, `H` of base and new classes, and `cost/*`."""
    scores = {
        f"{score.split}/{name}": value
        for score in record.all_scores
        for name, value in score.model_dump().items()
        if isinstance(value, float)
    }
    base, new = record.score("base"), record.score("new")
    if base and new:
        scores["H"] = metrics.harmonic_mean(base.accuracy, new.accuracy)
    cost = {} if record.cost is None else record.cost.model_dump()
    return scores | {f"cost/{name}": float(value) for name, value in cost.items()}
