"""Every transport computes what this process computes, and every run gets the whole context."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import launching
import pytest
from tiny_runs import forget_loaded, outcome, spec_of

from bench.context import RunContext
from bench.launch.inline import InlineTransport
from bench.launch.processes import ProcessTransport
from bench.launch.tasks import RunTask, Surroundings, dump_task
from bench.launch.transport import Transport
from bench.results.shards import Shards

if TYPE_CHECKING:
    from local_queue import LocalQueue

METHODS = ("vpt", "coop")


@pytest.fixture(autouse=True)
def _own_caches() -> Iterator[None]:
    forget_loaded()
    yield
    forget_loaded()


def surroundings_in(folder: Path) -> Surroundings:
    context = RunContext(
        data_root=folder / "data",
        cache_dir=folder / "cache",
        cache_limit=2**30,
        keep_branches=True,
        curve=True,
        hidden_limit=2**20,
        eval_batch=7,
        checkpoints=folder / "runs" / "checkpoints",
        checkpoint_seconds=0.0,
    )
    return Surroundings(runs=folder / "runs", context=context)


def tasks() -> list[RunTask]:
    return [RunTask(spec_of(method)) for method in METHODS]


def results(folder: Path) -> list[object]:
    shards = Shards(folder / "runs")
    found = [shards.read(task.spec.run_id) for task in tasks()]
    assert all(shard is not None for shard in found)
    return [
        (outcome((shard.record, list(shard.predictions))), [point.accuracy for point in shard.record.curve])
        for shard in found
        if shard is not None
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    folder = tmp_path_factory.mktemp("inline")
    launching.launch(InlineTransport(surroundings_in(folder)), tasks())
    return results(folder)


def test_local_processes(expected: list[object], tmp_path: Path) -> None:
    launching.launch(ProcessTransport(surroundings_in(tmp_path), 2), tasks())
    assert results(tmp_path) == expected


def slurm(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> tuple[Transport, "LocalQueue"]:
    pytest.importorskip("submitit", reason="needs submitit, the extra [slurm]")
    from local_queue import LocalQueue

    from bench.launch.slurm import SlurmTransport

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    queue = LocalQueue()
    return SlurmTransport(around, queue, look_seconds=0.1), queue


def run_in_ray_worker(around: Surroundings, files: object, weights: object) -> None:
    """What an actor does, without a cluster."""
    from bench.launch.ray_worker import RayWorker

    worker = RayWorker(str(around.runs.parent), around.model_dump_json(), files, weights)
    for task in tasks():
        found = worker.execute(dump_task(task))
        Shards(around.runs).write(found.record, found.predictions)


def test_slurm_jobs(expected: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transport, queue = slurm(surroundings_in(tmp_path), monkeypatch)
    launching.launch(transport, tasks())
    queue.close()
    assert results(tmp_path) == expected


def test_ray_workers(expected: list[object], tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs Ray, the extra [ray]")
    run_in_ray_worker(surroundings_in(tmp_path), {}, {})
    assert results(tmp_path) == expected


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """Surroundings in which no field of the context has its default, with a runner that writes down its context."""
    given = surroundings_in(tmp_path)
    file = tmp_path / "file"
    file.write_text("content")
    more = {"weights": {"ViT-tiny.random": file}, "files": {"a" * 64: file}, "device": "cuda:3", "threads": 2}
    context = given.context.model_copy(update=more)
    unset = [name for name in RunContext.model_fields if getattr(context, name) == getattr(RunContext(), name)]
    assert not unset, "set the new fields of RunContext here"
    (tmp_path / "contexts").mkdir()
    monkeypatch.setenv("FAKE_RUNNER", json.dumps({"contexts": str(tmp_path / "contexts")}))
    return given.model_copy(update={"context": context, "runner": "fake_runner"})


def contexts(around: Surroundings) -> list[RunContext]:
    """The context that each run was given, in the order of the tasks."""
    folder = around.runs.parent / "contexts"
    return [RunContext.model_validate_json((folder / task.spec.run_id).read_text()) for task in tasks()]


def test_local_processes_get_the_whole_context(full: Surroundings) -> None:
    launching.launch(ProcessTransport(full, 1), tasks())
    assert contexts(full) == [full.context] * len(METHODS)


def test_slurm_jobs_get_the_whole_context(full: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    transport, queue = slurm(full, monkeypatch)
    launching.launch(transport, tasks())
    queue.close()
    assert contexts(full) == [full.context] * len(METHODS)


def test_ray_workers_get_the_whole_context(full: Surroundings) -> None:
    pytest.importorskip("ray", reason="needs Ray, the extra [ray]")
    from bench.launch.ray_cluster import send_files

    run_in_ray_worker(full, send_files(full.context.files), send_files(full.context.weights))
    for found in contexts(full):
        copies = [*found.files.values(), *found.weights.values()]
        assert [copy.read_text() for copy in copies] == ["content"] * 2, "an actor on another machine has copies"
        same = {"files": full.context.files, "weights": full.context.weights}
        assert found.model_copy(update=same) == full.context
