"""Plan, launch, load into the database, say what came of it: the part that `run` and `demo` share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.cli._options import cache_limit, cores, hidden_limit
from bench.cli._print import remark
from bench.cli._progress import SweepProgress
from bench.context import RunContext
from bench.errors import StoreLockedError, UsageError
from bench.launch._protocol import DifficultyTask, Finished, Launcher, LaunchSummary, RunTask, Surroundings, Task
from bench.record import RunStatus
from bench.shards import RerunPolicy, Shards
from bench.sweep import Axes, Plan, expand, local_weights, named_files, plan, shared_features

INTERRUPTED = 130


@dataclass(frozen=True)
class Place:
    """Where a sweep reads and writes, and with how many processes.

    Args:
        runs: folder of shards and database.
        data_root: folder of the datasets.
        cache_dir: folder of frozen features.
        device: `cpu` or `cuda[:i]`.
        jobs: worker processes; 0 means this one; None means one per core, or one on a GPU.
        runner: module that runs one spec.
        keep_branches: whether the two sides of an ensemble are stored with its predictions.
    """

    runs: Path
    data_root: Path | None
    cache_dir: Path
    device: str
    jobs: int | None
    runner: str
    keep_branches: bool = False

    def workers(self, tasks: int) -> int:
        """How many processes that many tasks are worth."""
        jobs = self.jobs if self.jobs is not None else (1 if self.device.startswith("cuda") else cores())
        return min(jobs, max(tasks, 1))


def make_plan(axes: Axes, place: Place, policy: RerunPolicy) -> Plan:
    """Expand the axes and subtract what is on disk; what is left out is said on standard error."""
    _check_device(place.device, axes.precision)
    made = plan(expand(axes, data_root=place.data_root), Shards(place.runs), policy)
    for refusal in made.refused:
        remark(f"left out: {refusal.what}: {refusal.reason}")
    return made


def describe(made: Plan) -> str:
    """The plan in one line."""
    retried = f", {made.retried} of them failed before" if made.retried else ""
    measured = f", {len(made.difficulties)} difficulties to measure" if made.difficulties else ""
    left_out = f", {len(made.refused)} combinations left out" if made.refused else ""
    return f"{len(made.specs)} runs: {len(made.done)} done, {len(made.pending)} to do{retried}{measured}{left_out}"


def say_plan(made: Plan, place: Place) -> None:
    """The plan, and what its runs share, on standard error."""
    nothing = not made.pending and not made.difficulties
    remark(f"{describe(made)}{'; nothing to do' if nothing else ''}")
    for line in describe_reuse(made, place):
        remark(line)


def describe_reuse(made: Plan, place: Place) -> list[str]:
    """What the runs to do share, a line a backbone; nothing where only one run reads frozen features."""
    lines = []
    for one in shared_features(made.pending, place.cache_dir):
        if one.readers > 1:
            precision = "" if one.precision == "fp32" else f" in {one.precision}"
            kept = f"; {one.kept_bytes / 2**20:.1f} MiB of them are kept from before" if one.kept_bytes else ""
            lines.append(
                f"{one.backbone}{precision}: frozen features of {one.datasets} datasets, computed once for "
                f"{one.readers} of {one.runs} runs{kept}"
            )
    return lines


def carry_out(made: Plan, place: Place, axes: Axes) -> LaunchSummary:
    """Run what is pending, then load the shards into the database."""
    tasks: list[Task] = [DifficultyTask(*pair) for pair in made.difficulties]
    tasks += [RunTask(spec) for spec in made.pending]
    if not tasks:
        return LaunchSummary((), interrupted=False)
    jobs = place.workers(len(tasks))
    context = RunContext(
        data_root=place.data_root,
        cache_dir=place.cache_dir,
        cache_limit=cache_limit(),
        hidden_limit=hidden_limit(),
        weights=local_weights(axes.backbones),
        files=named_files(axes),
        device=place.device,
        threads=max(1, cores() // max(jobs, 1)),
        keep_branches=place.keep_branches,
    )
    surroundings = Surroundings(place.runs, context, place.runner)
    with SweepProgress(len(tasks)) as progress:
        launcher = _launcher(surroundings, jobs, progress)
        summary = launcher.launch(tasks, on_finished=progress.finished)
    load_results(place.runs)
    return summary


def load_results(runs: Path) -> None:
    """Bring the database up to date; if somebody holds it, say so and leave that to the next command."""
    from bench.store import Store

    try:
        Store(runs).ingest(Shards(runs))
    except StoreLockedError as error:
        remark(f"note: {error} The next command loads these runs.")


def failures(made: Plan, summary: LaunchSummary, runs: Path) -> list[dict[str, object]]:
    """What has failed, now or earlier and not again since: label, message and run id of each."""
    found: list[dict[str, object]] = [_failure(item) for item in summary.failures]
    shards = Shards(runs)
    for spec in made.done:
        if shards.status(spec.run_id) is RunStatus.FAILED:
            shard = shards.read(spec.run_id)
            message = shard.record.error.message if shard and shard.record.error else "failed earlier"
            found.append({"run_id": spec.run_id, "what": spec.label(), "message": " ".join(message.split())})
    return found


def exit_code(failed: list[dict[str, object]], *, interrupted: bool) -> int:
    """0 all done, 1 something failed, 130 interrupted."""
    if interrupted:
        return INTERRUPTED
    return 1 if failed else 0


def say_failures(failed: list[dict[str, object]]) -> None:
    """The failures as lines on standard error, each with how to see more."""
    if not failed:
        return
    remark(f"{len(failed)} failed; `etl-bench show RUN` has the trace:")
    for item in failed:
        remark(f"  {item['run_id'] or '-':<16}  {item['what']}: {item['message']}")


def _failure(item: Finished) -> dict[str, object]:
    run_id = item.task.spec.run_id if isinstance(item.task, RunTask) else None
    return {"run_id": run_id, "what": item.task.label, "message": item.message}


def _launcher(surroundings: Surroundings, jobs: int, progress: SweepProgress) -> Launcher:
    if jobs == 0:
        from bench.launch.inline import InlineLauncher

        return InlineLauncher(surroundings)
    from bench.launch.local import LocalLauncher

    return LocalLauncher(surroundings, jobs, on_notice=progress.notice)


def _check_device(device: str, precision: str) -> None:
    kind, _, index = device.partition(":")
    if kind not in {"cpu", "cuda"} or (index and not index.isdecimal()):
        raise UsageError(f"--device {device!r} is unknown; use cpu, cuda or cuda:N.")
    if kind == "cpu" and precision == "fp16":
        raise UsageError("--precision fp16 is slower than fp32 on a CPU; use --precision bf16, or a GPU by --device.")
    if kind == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError(f"--device {device!r}: torch sees no CUDA device here; use --device cpu.")
