"""Where a sweep request computes its runs: local processes, this process, or Ray."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.sweep.launch.pool_process import CAN_FORK, PoolProcess
from bench.sweep.launch.tasks import DEFAULT_RUNNER
from bench.sweep.machine import cache_folder, cores, exported_threads
from bench.sweep.options import LauncherName
from bench.sweep.request import SweepRequest
from datasets_registry import BenchError, has_imported_features

if TYPE_CHECKING:
    from bench.sweep.launch.tasks import Surroundings, Task

CORES_PER_GPU = 8
"""Cores on a cluster for each GPU, which decode its images: one core decodes about 300 photographs a second."""
_MANY = 2**31
"""More tasks than any machine has cores."""


def local_workers(request: SweepRequest, tasks: int) -> int:
    """The number of local worker processes for `tasks` tasks; 0 runs them in this process."""
    if request.launcher is LauncherName.INLINE:
        return 0
    devices = request.devices
    default = max(1, len(devices.gpus)) * (request.jobs_per_gpu or 1)
    if devices.kind == "cpu":
        default = max(1, cores() // (exported_threads() or 1))
    return min(default if request.jobs is None else request.jobs, max(tasks, 1))


def workers_share_gpus(request: SweepRequest, tasks: int) -> bool:
    """Whether several worker processes here use one GPU."""
    return request.here and 0 < len(request.devices.gpus) < local_workers(request, tasks)


def threads_per_run(request: SweepRequest, tasks: int) -> int:
    """Threads of one run: here `OMP_NUM_THREADS` or an equal share of the cores.

    With Ray, a run has one core; with a GPU it has `CORES_PER_GPU`, with part of a GPU a share of them.
    """
    if request.here:
        return exported_threads() or max(1, cores() // max(local_workers(request, tasks), 1))
    if request.devices.kind == "cpu":
        return 1
    return max(1, CORES_PER_GPU // (request.jobs_per_gpu or 1))


def feature_cache(request: SweepRequest) -> Path:
    """The folder of frozen features. By default the user's cache folder; on a Ray node, the one of that node."""
    if request.cache is None and not request.here:
        return Path("~/.cache/clip-etl-bench")
    return cache_folder(request.cache)


def pool_of(request: SweepRequest, around: Surroundings, tasks: int, process: PoolProcess | None) -> Callable[..., int]:
    """What runs tasks for `bench.sweep.launch.pool.launch`; local workers are forked in `process`, if it is given.

    Raises BenchError if a package is missing here.
    """
    from bench.sweep.launch.pool import Pool, worker_environment

    fields: dict[str, Any] = {"around": around, "retries": request.retries, "wait": not request.no_wait}
    if request.launcher is LauncherName.RAY:
        if find_spec("ray") is None:
            raise BenchError(
                "--launcher ray needs ray, which is not installed; run `pip install 'clip-etl-bench[ray]'`."
            )
        from bench.sweep.launch.ray import RayPool
        from bench.sweep.launch.ray_cluster import AUTO

        gpus = 1 / (request.jobs_per_gpu or 1) if request.devices.kind == "cuda" else 0.0
        address, cpus = os.environ.get("RAY_ADDRESS") or AUTO, threads_per_run(request, 1)
        fields |= {"jobs": request.jobs or 0, "address": address, "cpus_per_run": cpus, "gpus_per_run": gpus}
        return lambda tasks, **calls: RayPool(**fields, **calls).run(tasks)
    fields |= {"jobs": local_workers(request, tasks), "gpus": [gpu.token for gpu in request.devices.gpus]}
    if not (fields["jobs"] and CAN_FORK):
        return lambda tasks, **calls: Pool(**fields, **calls).run(tasks)
    environment, modules = worker_environment(around.context.threads, around.context.device), worker_imports(request)
    if process is not None and process.made_for == (environment, tuple(modules)):
        return partial(process.run, **fields)

    def run(tasks: Sequence[Task], **calls: Any) -> int:
        with PoolProcess(environment, modules) as started:
            return started.run(tasks, **calls, **fields)

    return run


@contextmanager
def early_process(request: SweepRequest) -> Iterator[PoolProcess | None]:
    """The process that forks the workers; it imports while the sweep is planned. None if no workers are forked here.

    It uses a second core. Its environment is that of a sweep with more tasks than workers; others start their own.
    """
    from bench.sweep.launch.pool import worker_environment

    if not (CAN_FORK and request.here and local_workers(request, _MANY) and cores() > 1):
        yield None
        return
    variables = worker_environment(threads_per_run(request, _MANY), request.devices.kind)
    with PoolProcess(variables, worker_imports(request)) as process:
        yield process


def worker_imports(request: SweepRequest) -> list[str]:
    """The modules that every run imports: the runner and, if it is the default and a backbone has towers, open_clip."""
    towers = not all(map(has_imported_features, request.backbones))
    return [request.runner, *(["open_clip"] if towers and request.runner == DEFAULT_RUNNER else [])]
