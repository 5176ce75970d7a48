"""Carries out a sweep request: plan, launch, load the results into the database, with messages about each."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from bench import THREADS_SPIN
from bench._util.words import counted
from bench.context import RunContext
from bench.errors import RunsFolderError, StoreError
from bench.experiment import cache_info
from bench.record import RunStatus
from bench.results import Shards, Staleness, check_output_folder, check_runs_folder, known_methods
from bench.spec import ExperimentSpec
from bench.sweep.inputs import local_weights, named_files, teacher_backbone
from bench.sweep.launch.pool import launch
from bench.sweep.launch.pool_process import PoolProcess
from bench.sweep.launch.task_claims import Claims, remove_leftovers
from bench.sweep.launch.tasks import (
    DifficultyTask,
    FinishedTask,
    LaunchSummary,
    Outcome,
    RunTask,
    Surroundings,
    Task,
)
from bench.sweep.launchers import (
    feature_cache,
    local_workers,
    pool_of,
    threads_per_run,
    workers_share_gpus,
)
from bench.sweep.left_out import grouped, report_left_out
from bench.sweep.machine import cache_limit, pixel_limit
from bench.sweep.models_of_sweep import check_keepable, drop_all_but_best, kept_summary, lacking_models
from bench.sweep.options import RerunPolicy
from bench.sweep.plan import Plan, expand, heads_apart, plan_runs
from bench.sweep.progress import SweepLog
from bench.sweep.read_tasks import short_draw
from bench.sweep.request import SweepRequest
from bench.sweep.sweep_files import keep_sweep_file
from bench.sweep.tracker import Tracker, check_tracker
from bench.sweep.weights import without_missing_weights


@dataclass(frozen=True)
class SweepOutcome:
    """The result of a sweep.

    Args:
        failed: run id, label and message of the runs that have failed, now or earlier, without failed measurements of
            difficulty.
    """

    plan: Plan
    summary: LaunchSummary
    failed: list[dict[str, object]]

    @property
    def exit_code(self) -> int:
        """0 all done, 1 something failed or could not be written, 3 something named was left out, 130 interrupted."""
        if self.summary.interrupted:
            return 130
        return 1 if self.failed or self.summary.unwritten else self.plan.exit_code


def make_plan(request: SweepRequest, log: SweepLog) -> Plan:
    """Expand the request, subtract what is on disk, and report what is left out."""
    request.check_devices()
    check_tracker(request.tracker)
    if request.runs.exists() and not request.runs.is_dir():
        raise RunsFolderError(f"The runs folder {request.runs} is a file. Give another one with --runs.")
    check_output_folder(request.runs, "--runs")
    check_runs_folder(request.runs, feature_cache(request) if request.here else None)
    if request.here:
        check_output_folder(feature_cache(request), "--cache")
    digest = partial(_backbone_digest, request) if request.rerun is RerunPolicy.STALE else None
    planned = expand(request, log.notice)
    shards = Shards(request.runs)
    if request.keep_models:
        check_keepable(planned.specs)
    lacking = lacking_models(planned.specs, request.runs, request.keep_models)
    plan = plan_runs(planned, shards, request.rerun, Staleness(request.data_root, digest), lacking)
    report_left_out(plan.left_out, log)
    if plan.unkept and request.keep_models:
        runs = counted(len(plan.unkept), "finished run")
        log.notice(f"{runs} without a tuned model: computed again for --keep-models {request.keep_models}")
    for (name, shots), sizes in planned.short.items():
        log.notice(short_draw(name, shots, sizes))
    if plan.stale:
        repeats = request.rerun in (RerunPolicy.STALE, RerunPolicy.ALL)
        advice = "they run again" if repeats else "--rerun stale runs them again"
        reasons = ", ".join(f"{count} because {reason}" for reason, count in plan.stale_reasons.items())
        log.notice(f"{counted(len(plan.stale), 'stale run')}: {reasons}; {advice}")
    return plan


def carry_out(plan: Plan, log: SweepLog, process: PoolProcess | None = None) -> SweepOutcome:
    """Run what is pending, then load the shards into the database.

    Args:
        process: local workers are forked in it, if given.

    Raises RunsFolderError if the folder cannot be written, ImpossibleCombinationError if no weights can be fetched.
    """
    request, plan = plan.request, without_missing_weights(plan, log)
    stamps = Shards(request.runs).difficulties
    tasks: list[Task] = [DifficultyTask(*pair, known_stamp=stamps.stamp(*pair)) for pair in plan.difficulties]
    labels = plan.labels
    tasks += [RunTask(spec, plan.seen[spec.run_id], labels[spec.run_id]) for spec in plan.pending]
    if tasks and request.inline and THREADS_SPIN:
        log.notice(
            "torch was imported before bench, so its threads do not sleep while they wait. Runs are slower if other "
            "programs use the cores; import bench first, or set OMP_WAIT_POLICY=PASSIVE."
        )
    if process is not None and tasks:
        import_module("bench.results")  # for the results; workers begin only after the imports of their process
    summary = _launch(tasks, plan, log, process) if tasks else LaunchSummary((), interrupted=False)
    if summary.held:
        log.notice(
            f"{counted(summary.held, 'run')} left to other sweeps; the last one loads all runs into the database"
        )
    elif tasks and summary.unwritten is None:
        from bench.results import Store

        try:
            Store(request.runs).ingest()
        except StoreError as error:  # such as a locked database
            log.notice(f"note: {error} The next command loads these runs.")
    if request.keep_models and summary.unwritten is None:
        if request.keep_models == "best":
            drop_all_but_best(request.runs)
        log.notice(kept_summary(plan.specs, request.runs))
    return SweepOutcome(plan, summary, _failures(plan, summary))


def context_of(request: SweepRequest, tasks: int) -> RunContext:
    """The run context of a request; fields of the same name are copied."""
    shared = RunContext.model_fields.keys() & SweepRequest.model_fields.keys()
    devices = request.devices
    return RunContext(
        **{name: getattr(request, name) for name in shared if name != "device"},
        device=devices.name if request.here and not local_workers(request, tasks) else devices.kind,
        cache_dir=feature_cache(request),
        cache_limit=cache_limit(),
        pixel_limit=pixel_limit(),
        weights=local_weights([*request.backbones, *teacher_backbone(request)]),
        files=named_files(request),
        threads=threads_per_run(request, tasks),
    )


def _launch(tasks: list[Task], plan: Plan, log: SweepLog, process: PoolProcess | None) -> LaunchSummary:
    request = plan.request
    log.begin(sum(isinstance(task, RunTask) for task in tasks))
    with ExitStack() as stack:
        try:
            claims = stack.enter_context(Claims(request.runs, "sweep", log.facts()))
            remove_leftovers(request.runs)
        except OSError as error:
            reason = f"cannot be written: {error.strerror or error}. Give another one with --runs."
            raise RunsFolderError(f"The runs folder {request.runs} {reason}") from error
        keep_sweep_file(request, plan.specs)
        stack.enter_context(log.during(request.runs, claims.name))
        tracker = Tracker(request.tracker, request.runs, log.notice)

        def on_finished(item: FinishedTask, again: bool = False) -> None:
            log.finished(item, again=again)
            claims.update(**log.facts())
            if item.outcome is Outcome.OK and isinstance(item.task, RunTask):
                tracker.log(item.task.spec.run_id)

        around = Surroundings(
            runs=request.runs,
            context=context_of(request, len(tasks)),
            runner=request.runner,
            timeout=request.timeout,
            memory_bytes=None if request.memory is None else int(request.memory * 2**30),
            sweep=claims.name,
        )
        summary = launch(
            pool_of(request, around, len(tasks), process),
            heads_apart(tasks) if workers_share_gpus(request, len(tasks)) else tasks,
            on_finished=on_finished,
            on_notice=log.notice,
            raise_second=request.inline,
        )
        if summary.interrupted:  # so that other machines need not wait until killed workers count as dead
            remove_leftovers(request.runs)
        return summary


def _failures(plan: Plan, summary: LaunchSummary) -> list[dict[str, object]]:
    """Failures of this sweep, and of earlier sweeps whose runs were not repeated."""
    failures: list[dict[str, object]] = []
    for item in summary.failures:
        if isinstance(item.task, RunTask):
            failures.append({"run_id": item.task.spec.run_id, "what": item.task.label, "message": item.message})
    shards, labels = Shards(plan.request.runs), plan.labels
    for spec in plan.done:
        if shards.status(spec.run_id) is RunStatus.FAILED:
            shard = shards.read(spec.run_id)
            message = shard.record.error.message if shard and shard.record.error else "failed earlier"
            failures.append({"run_id": spec.run_id, "what": labels[spec.run_id], "message": " ".join(message.split())})
    return failures


def _backbone_digest(request: SweepRequest, slug: str) -> str:
    """The digest of a backbone's current weights. Loads them, and keeps them loaded if runs here use them."""
    from bench.experiment import backbone_spec, loaded_backbone
    from methods import load_backbone

    spec = backbone_spec(slug, local_weights(request.backbones))
    if local_workers(request, 1):
        return load_backbone(spec).digest
    return loaded_backbone(spec, request.devices.name).digest


def report_plan(plan: Plan, log: SweepLog) -> None:
    """The plan, and the frozen features that its runs share, a line per backbone."""
    request = plan.request
    retried = f", {len(plan.retried)} of them failed before" if plan.retried else ""
    measured = f", {counted(len(plan.difficulties), 'difficulty')} to measure" if plan.difficulties else ""
    left_out = f", {counted(len(plan.left_out), 'combination')} left out" if plan.left_out else ""
    runs = f"{counted(len(plan.specs), 'run')}: {len(plan.done)} done, {len(plan.pending)} to do"
    nothing = not plan.pending and not plan.difficulties
    log.notice(f"{runs}{retried}{measured}{left_out}{'; nothing to do' if nothing else ''}")
    if not nothing:
        log.notice(request.devices.describe(request.precision))
    for line in shared_features(plan.pending, feature_cache(request), request.devices.kind):
        log.notice(line)


def shared_features(specs: Sequence[ExperimentSpec], cache: Path, device: str) -> Iterator[str]:
    """A line per backbone and precision of runs on that kind of device that read the same frozen features.

    Features that another kind of device computed are not used.
    """
    frozen, groups = {"features", "pooled", "hidden"}, dict[tuple[str, str], list[ExperimentSpec]]()
    for spec in specs:
        groups.setdefault((spec.backbone, spec.precision), []).append(spec)
    cached = cache_info(cache) if groups else []
    for (backbone, precision), group in groups.items():
        readers = sum(bool(known_methods().get(spec.method).needs & frozen) for spec in group)
        of_backbone = [item for item in cached if (item.slug, item.precision) == (backbone, precision)]
        usable_mib = sum(item.bytes for item in of_backbone if item.device.startswith(device)) / 2**20
        foreign_mib = sum(item.bytes for item in of_backbone if not item.device.startswith(device)) / 2**20
        if readers > 1:
            datasets = {name for spec in group for name in (spec.dataset, *spec.targets)}
            where = "" if precision == "fp32" else f" in {precision}"
            yield (
                f"{backbone}{where}: frozen features of {counted(len(datasets), 'dataset')}, computed once for "
                f"{readers} of {len(group)} runs{f'; {usable_mib:.1f} MiB of them are cached' if usable_mib else ''}"
            )
        if foreign_mib and not usable_mib and readers:
            yield (
                f"{backbone}: {foreign_mib:.1f} MiB of cached features are from another kind of device; they differ by "
                f"rounding, so {device} computes its own"
            )


def report_failures(outcome: SweepOutcome, log: SweepLog) -> None:
    """The failures, each with the next step."""
    if (last := outcome.summary.unwritten) is not None:
        advice = "Finished runs are safe; make room, or make the folder writable, and repeat the command."
        if last.outcome is Outcome.GONE:
            advice = "Runs that are not there any more are computed again when the command is repeated."
        log.notice(f"stopped: {last.message}. {advice}")
    now = len(outcome.summary.failures)  # their reasons were shown when they happened
    if now:
        shards, ids = Shards(outcome.plan.request.runs), [str(item["run_id"]) for item in outcome.failed[:now]]
        traced = " ".join(run_id for run_id in ids if shards.status(run_id) is RunStatus.FAILED)
        folder = shlex.quote(str(outcome.plan.request.runs))
        advice = f"; `etl-bench runs show RUN --runs {folder}` has the trace: {traced}" if traced else ""
        log.notice(f"{now} failed{advice}")
    if unmeasured := outcome.summary.unmeasured:
        log.notice(f"{counted(len(unmeasured), 'difficulty')} not measured; runs do not need it")
    earlier: dict[object, list[str]] = {}
    for item in outcome.failed[now:]:
        earlier.setdefault(item["message"], []).append(f"{item['run_id']}  {item['what']}")
    for message, runs in earlier.items():
        log.notice(f"failed before: {grouped(runs)}: {message}")
