"""Plan, launch, load into the database, say what came of it: the part that `run` and `demo` share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.cli._launchers import LauncherChoice, LauncherName
from bench.cli._options import cache_limit, cores, hidden_limit
from bench.context import RunContext
from bench.coordination.heartbeat import Heartbeat, remove_dead_heartbeats
from bench.coordination.leases import Leases
from bench.errors import RunsFolderError, StoreError, UsageError
from bench.launch.protocol import (
    NO_LIMITS,
    DifficultyTask,
    FinishedTask,
    Launcher,
    LaunchSummary,
    Limits,
    RunTask,
    Surroundings,
    Task,
)
from bench.launch.supervisor import Supervisor
from bench.provenance.staleness import Staleness
from bench.record import RunStatus
from bench.results.shards import Shards
from bench.sweep import Axes, Plan, RerunPolicy, expand, local_weights, named_files, plan, shared_features
from bench.sweep.progress import SweepLog, Tally

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
        curve: whether the accuracy along each training is recorded.
        limits: time and memory of one run.
        retries: how often a run that failed is tried again before the sweep ends.
        launcher: where runs are done.
    """

    runs: Path
    data_root: Path | None
    cache_dir: Path
    device: str
    jobs: int | None
    runner: str
    keep_branches: bool = False
    curve: bool = False
    limits: Limits = NO_LIMITS
    retries: int = 0
    launcher: LauncherChoice = field(default_factory=LauncherChoice)

    def workers(self, tasks: int) -> int:
        """How many processes here that many tasks are worth."""
        if self.launcher.name is LauncherName.INLINE:
            return 0
        jobs = self.jobs if self.jobs is not None else (1 if self.device.startswith("cuda") else cores())
        return min(jobs, max(tasks, 1))


def make_plan(axes: Axes, place: Place, policy: RerunPolicy, log: SweepLog) -> Plan:
    """Expand the axes and subtract what is on disk; what is left out is said."""
    check_device(place.device, axes.precision, here=place.launcher.here)
    if place.jobs == 0 and place.limits.memory_bytes is not None:
        raise UsageError("--memory limits worker processes, and --jobs 0 has none; use --jobs 1.")
    if place.runs.exists() and not place.runs.is_dir():
        raise RunsFolderError(f"The runs folder {place.runs} is a file. Give another one with --runs.")
    digest = partial(_backbone_digest, axes) if policy is RerunPolicy.STALE else None
    made = plan(expand(axes, data_root=place.data_root), Shards(place.runs), policy, Staleness(place.data_root, digest))
    for refusal in made.refused:
        log.notice(f"left out: {refusal.what}: {refusal.reason}")
    if made.stale:
        again = "they run again" if policy in (RerunPolicy.STALE, RerunPolicy.ALL) else "--rerun stale runs them again"
        reasons = ", ".join(f"{count} because {reason}" for reason, count in made.stale_reasons.items())
        log.notice(f"{len(made.stale)} runs are stale: {reasons}; {again}")
    return made


def describe(made: Plan) -> str:
    """The plan in one line."""
    retried = f", {made.retried} of them failed before" if made.retried else ""
    measured = f", {len(made.difficulties)} difficulties to measure" if made.difficulties else ""
    left_out = f", {len(made.refused)} combinations left out" if made.refused else ""
    return f"{len(made.specs)} runs: {len(made.done)} done, {len(made.pending)} to do{retried}{measured}{left_out}"


def say_plan(made: Plan, place: Place, log: SweepLog) -> None:
    """The plan, and what its runs share."""
    nothing = not made.pending and not made.difficulties
    log.notice(f"{describe(made)}{'; nothing to do' if nothing else ''}")
    for line in describe_reuse(made, place):
        log.notice(line)


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


def carry_out(made: Plan, place: Place, axes: Axes, log: SweepLog) -> LaunchSummary:
    """Run what is pending, then load the shards into the database.

    Raises:
        RunsFolderError: the runs folder cannot be written.
    """
    shards = Shards(place.runs)
    tasks = _tasks(made, shards)
    if not tasks:
        return LaunchSummary((), interrupted=False)
    tally = Tally(len(tasks))
    with ExitStack() as stack:
        heartbeat = stack.enter_context(_at_work(place.runs, tally))
        stack.enter_context(log.during(tally, place.runs, heartbeat.name))

        def on_finished(item: FinishedTask, again: bool) -> None:
            tally.count(item, again=again)
            heartbeat.update(**tally.facts())
            log.finished(item, tally, again=again)

        launcher = _launcher(_surroundings(place, axes, heartbeat.name, len(tasks)), place, len(tasks), log)
        rounds = Supervisor(
            launcher,
            shards,
            Leases(place.runs, heartbeat),
            retries=place.retries,
            on_finished=on_finished,
            on_notice=log.notice,
        )
        summary = rounds.run(tasks)
    if summary.unwritten is None:
        load_results(place.runs, log)
    return summary


def scripts(made: Plan, place: Place) -> list[str]:
    """The scripts that would be submitted; none unless the launcher is Slurm's."""
    if place.launcher.name is not LauncherName.SLURM:
        return []
    return place.launcher.scripts(place.runs, place.device, place.jobs, _tasks(made, Shards(place.runs)))


def _tasks(made: Plan, shards: Shards) -> list[Task]:
    tasks: list[Task] = [
        DifficultyTask(*pair, known_stamp=shards.difficulties.stamp(*pair)) for pair in made.difficulties
    ]
    return tasks + [RunTask(spec, made.seen[spec.run_id]) for spec in made.pending]


@contextmanager
def _at_work(runs: Path, tally: Tally) -> Iterator[Heartbeat]:
    """This sweep's heartbeat in the runs folder; raises RunsFolderError if that cannot be written."""
    with ExitStack() as stack:
        try:
            remove_dead_heartbeats(runs)
            heartbeat = stack.enter_context(Heartbeat(runs, "sweep", tally.facts()))
        except OSError as error:
            raise RunsFolderError(
                f"The runs folder {runs} cannot be written: {error.strerror or error}. Give another one with --runs."
            ) from error
        yield heartbeat


def load_results(runs: Path, log: SweepLog) -> None:
    """Bring the database up to date; if that cannot be done now, say so and leave it to the next command."""
    from bench.store import Store

    try:
        Store(runs).ingest(Shards(runs))
    except StoreError as error:
        log.notice(f"note: {error} The next command loads these runs.")


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


def exit_code(failed: list[dict[str, object]], summary: LaunchSummary) -> int:
    """0 all done, 1 something failed or could not be written, 130 interrupted."""
    if summary.interrupted:
        return INTERRUPTED
    return 1 if failed or summary.unwritten else 0


def say_failures(failed: list[dict[str, object]], summary: LaunchSummary, log: SweepLog) -> None:
    """What went wrong, each with how to see more or what to do."""
    if summary.unwritten is not None:
        log.notice(
            f"stopped: {summary.unwritten.message}. What is finished is safe; make room, or make the folder writable, "
            "and repeat the command."
        )
    if failed:
        log.notice(f"{len(failed)} failed; `etl-bench show RUN` has the trace:")
    for item in failed:
        log.notice(f"  {item['run_id'] or '-':<16}  {item['what']}: {item['message']}")


def _failure(item: FinishedTask) -> dict[str, object]:
    run_id = item.task.spec.run_id if isinstance(item.task, RunTask) else None
    return {"run_id": run_id, "what": item.task.label, "message": item.message}


def _surroundings(place: Place, axes: Axes, sweep: str, tasks: int) -> Surroundings:
    context = RunContext(
        data_root=place.data_root,
        cache_dir=place.cache_dir,
        cache_limit=cache_limit(),
        hidden_limit=hidden_limit(),
        weights=local_weights(axes.backbones),
        files=named_files(axes),
        device=place.device,
        threads=max(1, cores() // max(place.workers(tasks), 1)) if place.launcher.here else place.launcher.threads(),
        keep_branches=place.keep_branches,
        curve=place.curve,
    )
    return Surroundings(runs=place.runs, context=context, runner=place.runner, limits=place.limits, sweep=sweep)


def _backbone_digest(axes: Axes, slug: str) -> str:
    """The digest of a backbone's weights as they are now, which have to be loaded for it."""
    from methods import load_backbone, parse_backbone

    path = local_weights(axes.backbones).get(slug)
    return load_backbone(parse_backbone(slug if path is None else f"{slug.partition('.')[0]}={path}")).digest


def _launcher(surroundings: Surroundings, place: Place, tasks: int, log: SweepLog) -> Launcher:
    if not place.launcher.here:
        return place.launcher.launcher(surroundings, place.jobs, log.notice)
    jobs = place.workers(tasks)
    if jobs == 0:
        from bench.launch.inline import InlineLauncher

        return InlineLauncher(surroundings)
    from bench.launch.processes import LocalLauncher

    return LocalLauncher(surroundings, jobs, on_notice=log.notice)


def check_device(device: str, precision: str, *, here: bool = True) -> None:
    """Raise UsageError for a device that does not exist, or cannot compute in that precision.

    Args:
        device: `cpu` or `cuda[:i]`.
        precision: of the frozen towers.
        here: whether it is a device of this machine, and not of a cluster's.
    """
    kind, _, index = device.partition(":")
    if kind not in {"cpu", "cuda"} or (index and not index.isdecimal()):
        raise UsageError(f"--device {device!r} is unknown; use cpu, cuda or cuda:N.")
    if kind == "cpu" and precision == "fp16":
        raise UsageError("--precision fp16 is slower than fp32 on a CPU; use --precision bf16, or a GPU by --device.")
    if kind == "cuda" and here:
        import torch

        if not torch.cuda.is_available():
            raise UsageError(f"--device {device!r}: torch sees no CUDA device here; use --device cpu.")
