"""Every launcher computes what this process computes, with every option of the context set."""

from collections.abc import Iterator
from pathlib import Path

import launching
import pytest
from tiny_runs import forget_loaded, outcome, spec_of

from bench.context import RunContext
from bench.results.shards import Shards
from bench.sweep.launch.tasks import RunTask, Surroundings

METHODS = ("vpt", "coop")


pytestmark = pytest.mark.slow


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
        pixel_limit=2**20,
        eval_batch=7,
        checkpoints=folder / "runs" / "checkpoints",
        checkpoint_seconds=0.0,
    )
    # a tuned model is a file beside the record; a local weight file or a support list would change the spec; two
    # threads in many processes are slow
    same_as_default = {"keep_models", "weights", "files", "device", "threads"}
    unset = {name for name in RunContext.model_fields if getattr(context, name) == getattr(RunContext(), name)}
    assert unset == same_as_default, "set the new fields of RunContext here"
    return Surroundings(runs=folder / "runs", context=context)


def tasks() -> list[RunTask]:
    return [RunTask(spec_of(method)) for method in METHODS]


def results(folder: Path) -> list[object]:
    shards = Shards(folder / "runs")
    found = [shards.read(task.spec.run_id) for task in tasks()]
    assert all(shard is not None for shard in found)
    return [outcome((shard.record, list(shard.predictions))) for shard in found if shard is not None]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    folder = tmp_path_factory.mktemp("inline")
    launching.launch(surroundings_in(folder), 0, tasks())
    return results(folder)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_local_processes(method: str, expected: list[object], tmp_path: Path) -> None:
    launching.launch(surroundings_in(tmp_path), 2, tasks(), method=method)
    assert results(tmp_path) == expected


def test_ray_workers(expected: list[object], tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs Ray, the extra [ray]")
    from bench.sweep.launch.ray_worker import RayWorker

    around = surroundings_in(tmp_path)
    worker = RayWorker(str(tmp_path), around.model_dump_json(), {}, {})
    for task in tasks():
        found = worker.execute(task)
        Shards(around.runs).write(found.record, found.predictions)
    assert results(tmp_path) == expected
