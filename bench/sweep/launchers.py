"""Where a sweep request computes its runs: local processes, this process, Ray, or a Slurm job array."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.errors import LaunchError
from bench.sweep.launch.tasks import DEFAULT_RUNNER, Task
from bench.sweep.machine import cache_folder, cores, exported_threads
from bench.sweep.options import LauncherName, Panel, minutes, parse_slurm_set
from bench.sweep.request import SLURM_TIME, SweepRequest, option_of
from bench.sweep.sweep_files import sweep_toml
from datasets_registry import has_imported_features

if TYPE_CHECKING:
    from bench.sweep.launch.fork_server import ForkServer
    from bench.sweep.launch.slurm import JobArray
    from bench.sweep.launch.tasks import Surroundings
    from bench.sweep.launch.transport import Transport

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
    """Threads of one run: here `OMP_NUM_THREADS` or an equal share of the cores, on a cluster the requested number.

    By default, a run on a cluster has one core; with a GPU it has `CORES_PER_GPU`, with part of a GPU a share of them.
    """
    if request.here:
        return exported_threads() or max(1, cores() // max(local_workers(request, tasks), 1))
    given = request.cpus_per_run if request.launcher is LauncherName.RAY else request.cpus
    if given is not None or request.devices.kind == "cpu":
        return given or 1
    share = min(1.0, request.gpus_per_run or 1.0)  # of a GPU
    return max(1, int(CORES_PER_GPU * share))


def feature_cache(request: SweepRequest) -> Path:
    """The folder of frozen features. By default the user's cache folder; on a Ray node, the one of that node."""
    if request.cache is None and request.launcher is LauncherName.RAY:
        return Path("~/.cache/clip-etl-bench")
    return cache_folder(request.cache)


def make_transport(
    request: SweepRequest, surroundings: Surroundings, tasks: int, server: ForkServer | None = None
) -> Transport:
    """The transport for `tasks` tasks; local workers are forked from `server`, if it is given.

    Raises LaunchError if a package or command is missing here, UsageError for an unsupported setting.
    """
    check_launcher(request)
    if request.launcher is LauncherName.RAY:
        return _ray(request, surroundings)
    jobs = local_workers(request, tasks)
    from bench.sweep.launch.inline import InlineTransport
    from bench.sweep.launch.processes import ProcessTransport

    if not jobs:
        return InlineTransport(surroundings)
    tokens = [gpu.token for gpu in request.devices.gpus]
    return ProcessTransport(surroundings, jobs, worker_imports(request), server, tokens)


def check_launcher(request: SweepRequest) -> None:
    """Raise LaunchError if the package or the commands of the launcher are missing here."""
    if request.launcher is LauncherName.RAY:
        _require("ray", "ray")
    elif request.launcher is LauncherName.SLURM and not request.script_only:
        from bench.sweep.launch.slurm import check_slurm

        check_slurm()


@contextmanager
def early_server(request: SweepRequest) -> Iterator[ForkServer | None]:
    """The server that forks the workers; it imports while the sweep is planned. None if no workers are forked here.

    It uses a second core. Its environment is that of a sweep with more tasks than workers; for another one, the
    transport starts its own.
    """
    from bench.sweep.launch.fork_server import CAN_FORK, ForkServer
    from bench.sweep.launch.processes import worker_environment

    if not (CAN_FORK and request.here and local_workers(request, _MANY) and cores() > 1):
        yield None
        return
    variables = worker_environment(threads_per_run(request, _MANY), request.devices.kind, fast=request.fast)
    server = ForkServer(variables, worker_imports(request))
    try:
        yield server
    finally:
        server.close()


def worker_imports(request: SweepRequest) -> list[str]:
    """The modules that every run imports: the runner and, if it is the default and a backbone has towers, open_clip."""
    towers = not all(map(has_imported_features, request.backbones))
    return [request.runner, *(["open_clip"] if towers and request.runner == DEFAULT_RUNNER else [])]


RUNS_PER_WORKER = 20
"""Runs for which a job of an array is submitted by default, for each of its workers."""


def job_array(request: SweepRequest, tasks: int) -> JobArray:
    """The Slurm job array of a request with that many tasks, at least one."""
    from bench.sweep.launch.slurm import LARGEST, JobArray

    workers = max(1, gpus := _gpus(request))
    return JobArray(
        size=min(request.jobs or -(-tasks // (RUNS_PER_WORKER * workers)), -(-tasks // workers), LARGEST),
        minutes=minutes(request.time or SLURM_TIME, "--resource time"),
        cpus=threads_per_run(request, 1),
        gpus=gpus,
        partition=request.partition,
        memory=request.mem,
        extra=parse_slurm_set(request.slurm_set),
    )


def job_request(request: SweepRequest, tasks_file: Path) -> SweepRequest:
    """The request of each job of an array: the same sweep on its own machine, for the tasks of a submission."""
    local = {
        name: field.default for name, field in SweepRequest.model_fields.items() if option_of(name).panel is Panel.SLURM
    }
    cuda = request.devices.kind == "cuda"
    local |= {"slurm_set": [], "launcher": LauncherName.LOCAL, "device": "all" if cuda else "cpu"}
    folders = {name: getattr(request, name) for name in ("runs", "data_root", "cache")}
    local |= {name: folder.absolute() for name, folder in folders.items() if folder is not None}
    local |= {"jobs": None if cuda else 1, "submission": tasks_file}
    return request.model_copy(update=local)


def write_job_array(request: SweepRequest, tasks: Sequence[Task]) -> Path:
    """Write the submission of a job array for these tasks; returns its folder. Raises LaunchError if it is not safe."""
    from bench.sweep.launch.slurm import write_submission

    array = job_array(request, len(tasks))
    return write_submission(request.runs, array, lambda file: sweep_toml(job_request(request, file)), tasks)


def submit_to_slurm(request: SweepRequest, tasks: Sequence[Task]) -> str:
    """Submit the tasks as a job array, or only write its script; returns a line about it.

    Raises LaunchError if Slurm rejects the jobs.
    """
    from bench.sweep.launch.slurm import SCRIPT, submit

    check_launcher(request)
    folder = write_job_array(request, tasks)
    what = f"{counted(len(tasks), 'task')} as {counted(job_array(request, len(tasks)).size, 'job')}"
    if request.script_only:
        return f"Wrote {what}, and submitted nothing. To submit: sbatch {folder / SCRIPT}"
    return (
        f"Submitted {what}: Slurm array {submit(folder)}, in {folder}. `etl-bench status` shows the progress. The same "
        "command, repeated when the jobs have ended, submits what is left."
    )


def _gpus(request: SweepRequest) -> int:
    """GPUs that the script reserves; one for CUDA unless options of sbatch reserve it."""
    if request.gpus is not None:
        return request.gpus
    return int(request.devices.kind == "cuda" and not request.reserved_gpus)


def _ray(request: SweepRequest, surroundings: Surroundings) -> Transport:
    from bench.sweep.launch.ray import RayTransport
    from bench.sweep.launch.ray_cluster import AUTO, RunResources, read_runtime_env

    default_gpus = float(request.devices.kind == "cuda")
    return RayTransport(
        surroundings,
        request.address or os.environ.get("RAY_ADDRESS") or AUTO,
        RunResources(
            threads_per_run(request, 1), default_gpus if request.gpus_per_run is None else request.gpus_per_run
        ),
        request.jobs,
        {} if request.ray_env is None else read_runtime_env(request.ray_env),
    )


def _require(module: str, extra: str) -> None:
    if find_spec(module) is None:
        raise LaunchError(
            f"--launcher {extra} needs {module}, which is not installed; run `pip install 'clip-etl-bench[{extra}]'`."
        )
