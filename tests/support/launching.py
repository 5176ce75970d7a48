"""Tasks of the fake runner, a sweep of them in one call, and what it leaves on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from fake_runner import make_spec

from bench.record import RunStatus
from bench.results.shards import Shards
from bench.sweep.launch.pool import Pool, worker_environment
from bench.sweep.launch.pool import launch as launch_tasks
from bench.sweep.launch.pool_process import CAN_FORK, PoolProcess
from bench.sweep.launch.task_claims import Claims
from bench.sweep.launch.tasks import FinishedTask, LaunchSummary, RunTask, Surroundings, Task


def launch(
    around: Surroundings,
    jobs: int,
    tasks: Sequence[Task],
    *,
    method: str = "fork",
    modules: Sequence[str] = (),
    on_finished: Callable[[FinishedTask], None] = lambda _item: None,
    on_notice: Callable[[str], None] = lambda _text: None,
    **fields: object,
) -> LaunchSummary:
    """Run tasks as `etl-bench run` does, on workers that are forked where this system can, spawned, or Ray's.

    Args:
        modules: what forked workers have imported; the runner without others.
    """
    fields |= {"around": around, "jobs": jobs}

    def here(tasks: Sequence[Task], **calls: object) -> int:
        return Pool(**fields, **calls).run(tasks)

    def in_a_process(tasks: Sequence[Task], **calls: object) -> int:
        variables = worker_environment(around.context.threads, around.context.device)
        with PoolProcess(variables, list(modules) or [around.runner]) as process:
            return process.run(tasks, **calls, **fields)

    def on_ray(tasks: Sequence[Task], **calls: object) -> int:
        from bench.sweep.launch.ray import RayPool

        return RayPool(**fields, **calls).run(tasks)

    run = in_a_process if jobs and method == "fork" and CAN_FORK else here
    with Claims(around.runs, "sweep"):
        return launch_tasks(
            on_ray if method == "ray" else run,
            tasks,
            on_finished=lambda item, _again: on_finished(item),
            on_notice=on_notice,
            raise_second=not jobs and method != "ray",
        )


def run_tasks(n: int, **changes: object) -> list[RunTask]:
    """Runs that differ in their seed, which begins at 1."""
    return [RunTask(make_spec(seed=seed, **changes)) for seed in range(1, n + 1)]


def statuses(runs: Path, todo: Sequence[Task]) -> list[RunStatus | None]:
    """The stored status of each run among the tasks; None for one without a shard."""
    return [Shards(runs).status(task.spec.run_id) for task in todo if isinstance(task, RunTask)]


def error_of(runs: Path, task: RunTask) -> str:
    """The stored error of a failed run: its class and its message."""
    record = Shards(runs).record(task.spec.run_id)
    assert record is not None
    assert record.error is not None
    return f"{record.error.kind}: {record.error.message}"


# --- in processes of their own ----------------------------------------------------------------------------------------


def start_python(program: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """A process of its own group that runs this program, with the same packages; its output is one stream of text."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Read what the process says up to a line with this word."""
    said = []
    for line in process.stdout:  # type: ignore[union-attr]
        said.append(line)
        if word in line:
            return
    raise AssertionError(f"it ended without saying {word!r}: {''.join(said)}")
