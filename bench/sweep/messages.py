"""Messages about the plan and the failures of a sweep."""

from bench.sweep.driver import SweepOutcome
from bench.sweep.feature_reuse import shared_features
from bench.sweep.launchers import feature_cache
from bench.sweep.planning import Plan
from bench.sweep.progress import SweepLog
from bench.sweep.request import SweepRequest


def describe(made: Plan) -> str:
    """The plan in one line."""
    retried = f", {made.retried} of them failed before" if made.retried else ""
    measured = f", {len(made.difficulties)} difficulties to measure" if made.difficulties else ""
    left_out = f", {len(made.rejected)} combinations left out" if made.rejected else ""
    return f"{len(made.specs)} runs: {len(made.done)} done, {len(made.pending)} to do{retried}{measured}{left_out}"


def report_plan(made: Plan, request: SweepRequest, log: SweepLog) -> None:
    """The plan, and the frozen features that its runs share, a line per backbone."""
    nothing = not made.pending and not made.difficulties
    log.notice(f"{describe(made)}{'; nothing to do' if nothing else ''}")
    for shared in shared_features(made.pending, feature_cache(request)):
        if shared.readers > 1:
            precision = "" if shared.precision == "fp32" else f" in {shared.precision}"
            kept = f"; {shared.kept_bytes / 2**20:.1f} MiB of them are cached" if shared.kept_bytes else ""
            log.notice(
                f"{shared.backbone}{precision}: frozen features of {shared.datasets} datasets, computed once for "
                f"{shared.readers} of {shared.runs} runs{kept}"
            )


def report_failures(outcome: SweepOutcome, log: SweepLog) -> None:
    """What went wrong, each with how to see more or what to do."""
    if outcome.summary.unwritten is not None:
        log.notice(
            f"stopped: {outcome.summary.unwritten.message}. Finished runs are safe; make room, or make the folder "
            "writable, and repeat the command."
        )
    if outcome.failed:
        log.notice(f"{len(outcome.failed)} failed; `etl-bench show RUN` has the trace:")
    for item in outcome.failed:
        log.notice(f"  {item['run_id'] or '-':<16}  {item['what']}: {item['message']}")
