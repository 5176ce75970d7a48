"""Messages about the plan and the failures of a sweep."""

from bench._util.counted import counted
from bench.sweep.devices import devices_of
from bench.sweep.driver import SweepOutcome
from bench.sweep.feature_reuse import shared_features
from bench.sweep.launchers import feature_cache
from bench.sweep.planning import Plan
from bench.sweep.progress import SweepLog
from bench.sweep.rejections import grouped
from bench.sweep.request import SweepRequest


def describe(made: Plan) -> str:
    """The plan in one line."""
    retried = f", {made.retried} of them failed before" if made.retried else ""
    measured = f", {counted(len(made.difficulties), 'difficulty')} to measure" if made.difficulties else ""
    left_out = f", {counted(len(made.rejected), 'combination')} left out" if made.rejected else ""
    runs = f"{counted(len(made.specs), 'run')}: {len(made.done)} done, {len(made.pending)} to do"
    return f"{runs}{retried}{measured}{left_out}"


def report_plan(made: Plan, request: SweepRequest, log: SweepLog) -> None:
    """The plan, and the frozen features that its runs share, a line per backbone."""
    nothing = not made.pending and not made.difficulties
    log.notice(f"{describe(made)}{'; nothing to do' if nothing else ''}")
    if not nothing:
        log.notice(devices_of(request).describe(request.precision))
    device = devices_of(request).kind
    for shared in shared_features(made.pending, feature_cache(request), device):
        if shared.readers > 1:
            precision = "" if shared.precision == "fp32" else f" in {shared.precision}"
            kept = f"; {shared.kept_bytes / 2**20:.1f} MiB of them are cached" if shared.kept_bytes else ""
            features = f"frozen features of {counted(shared.datasets, 'dataset')}"
            log.notice(
                f"{shared.backbone}{precision}: {features}, computed once for "
                f"{shared.readers} of {shared.runs} runs{kept}"
            )
        if shared.other_bytes and not shared.kept_bytes and shared.readers:
            log.notice(
                f"{shared.backbone}: {shared.other_bytes / 2**20:.1f} MiB of cached features are from another kind of "
                f"device; they differ by rounding, so {device} computes its own"
            )


def report_failures(outcome: SweepOutcome, log: SweepLog) -> None:
    """The failures, each with the next step."""
    if outcome.summary.unwritten is not None:
        log.notice(
            f"stopped: {outcome.summary.unwritten.message}. Finished runs are safe; make room, or make the folder "
            "writable, and repeat the command."
        )
    now = len(outcome.summary.failures)  # their reasons were shown when they happened
    if now:
        ids = " ".join(str(item["run_id"] or item["what"]) for item in outcome.failed[:now])
        log.notice(f"{now} failed; `etl-bench show RUN` has the trace: {ids}")
    if unmeasured := outcome.summary.unmeasured:
        log.notice(f"{counted(len(unmeasured), 'difficulty')} not measured; runs do not need it")
    earlier: dict[object, list[str]] = {}
    for item in outcome.failed[now:]:
        earlier.setdefault(item["message"], []).append(f"{item['run_id']}  {item['what']}")
    for message, runs in earlier.items():
        log.notice(f"failed before: {grouped(runs)}: {message}")
