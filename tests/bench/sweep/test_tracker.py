"""Each finished run reaches a tracker with its settings and scores; one that fails is one notice and loses nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fake_runner import make_record, make_spec

import bench
from bench.analysis import metrics
from bench.errors import UsageError
from bench.results import Shards
from bench.sweep.options import TrackerName
from bench.sweep.tracker import Tracker, check_tracker

Etl = Callable[..., tuple[int, str, str]]
SWEEP = [
    "run", "-m", "coop", "-d", "spectrum_basic", "-b", "ViT-tiny.random", "--shots", "1", "--seeds", "3",
    "--runner", "fake_runner", "--jobs", "0", "--log", "plain", "--json",
]  # fmt: skip


class FakeTracker(ModuleType):
    """Has the functions of wandb, trackio and mlflow that are used; `runs` are what it received."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None, origin="fake")
        self.runs: list[dict[str, Any]] = []
        self.fails = False

    def init(self, *, project: str, name: str, config: dict[str, Any]) -> FakeTracker:
        self._begin(project, name)
        self.log_params(config)
        return self

    def log(self, scores: dict[str, float]) -> None:
        self.runs[-1]["scores"] = scores

    def finish(self) -> None:
        self.runs[-1]["finished"] = True

    def set_experiment(self, name: str) -> None:
        self.experiment = name

    @contextmanager
    def start_run(self, run_name: str) -> Iterator[None]:
        self._begin(self.experiment, run_name)
        yield
        self.finish()

    def log_params(self, settings: dict[str, Any]) -> None:
        self.runs[-1]["settings"] = settings

    log_metrics = log

    def _begin(self, project: str, name: str) -> None:
        sys.stdout.write("a line that is no JSON\n")
        if self.fails:
            raise RuntimeError("the server\ndoes not answer.")
        self.runs.append({"project": project, "name": name})


@pytest.fixture
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeTracker:
    """A tracker in the place of the package of that name, `wandb` unless the test has another."""
    made = FakeTracker(getattr(request, "param", "wandb"))
    monkeypatch.setitem(sys.modules, made.__name__, made)
    for name in ("WANDB_PROJECT", "WANDB_SILENT", "WANDB_CONSOLE", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.mark.parametrize("fake", ["wandb", "trackio", "mlflow"], indirect=True)
def test_a_run_arrives_with_its_settings_and_scores(fake: FakeTracker, tmp_path: Path) -> None:
    record = make_record(make_spec())
    Shards(tmp_path).write(record)
    Tracker(TrackerName(fake.__name__), tmp_path, pytest.fail).log(record.run_id)
    (run,) = fake.runs
    assert (run["project"], run["name"], run["finished"]) == ("clip-etl-bench", record.spec.label(), True)
    assert run["settings"].items() >= {"run_id": record.run_id, "method": "coop", "shots": record.spec.shots}.items()
    config = {f"config.{name}": value for name, value in record.spec.config.items() if value is not None}
    assert run["settings"].items() >= config.items()
    base, new = record.score("base"), record.score("new")
    assert run["scores"]["base/accuracy"] == base.accuracy
    assert run["scores"]["H"] == metrics.harmonic_mean(base.accuracy, new.accuracy)
    assert run["scores"]["cost/train_seconds"] == record.cost.train_seconds


def test_a_sweep_logs_its_runs_and_its_records_are_those_of_a_sweep_without(
    fake: FakeTracker, etl: Etl, tmp_path: Path
) -> None:
    code, out, _ = etl(*SWEEP, "--runs", str(tmp_path / "logged"), "--tracker", "wandb")
    assert (code, json.loads(out)["finished"], len(fake.runs)) == (0, 3, 3)
    assert etl(*SWEEP, "--runs", str(tmp_path / "plain"))[0] == 0
    logged, plain = Shards(tmp_path / "logged"), Shards(tmp_path / "plain")
    run_ids = list(logged.scan())
    assert {run["settings"]["run_id"] for run in fake.runs} == set(run_ids)
    assert [logged.record(run_id) for run_id in run_ids] == [plain.record(run_id) for run_id in run_ids]
    (kept,) = (tmp_path / "logged" / "sweeps").glob("*.toml")
    assert 'tracker = "wandb"' in kept.read_text()


def test_a_tracker_that_fails_is_one_notice_and_loses_no_result(fake: FakeTracker, etl: Etl, tmp_path: Path) -> None:
    fake.fails = True
    code, _, err = etl(*SWEEP, "--runs", str(tmp_path), "--tracker", "wandb")
    assert (code, len(Shards(tmp_path).scan())) == (0, 3)
    assert err.count("wandb failed (RuntimeError: the server does not answer)") == 1


def test_python_names_a_tracker_too(fake: FakeTracker, tmp_path: Path) -> None:
    grid: dict[str, Any] = {"backbone": "ViT-tiny.random", "shots": 1, "seeds": 1, "jobs": 0, "progress": "none"}
    done = bench.run("coop", "spectrum_basic", runs=tmp_path, tracker="wandb", runner="fake_runner", **grid)
    assert [run["settings"]["run_id"] for run in fake.runs] == list(done.run_ids)


def test_a_missing_package_is_named_before_any_work(etl: Etl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()  # a folder of offline runs is not the package
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(UsageError, match="--tracker wandb needs the package wandb; run `pip install wandb`"):
        check_tracker(TrackerName.WANDB)
    code, _, err = etl(*SWEEP, "--runs", str(tmp_path / "new"), "--tracker", "neptune")
    assert (code, "none, wandb, trackio, mlflow" in err) == (2, True)
    assert not (tmp_path / "new").exists()
