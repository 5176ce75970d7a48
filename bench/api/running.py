"""Running a sweep from Python, with the options of `etl-bench run`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.api.results import Results
from bench.sweep import (
    LogStyle,
    Outcome,
    Plan,
    SweepLog,
    SweepOutcome,
    SweepRequest,
    carry_out,
    early_process,
    make_plan,
    open_log,
    parse_choice,
    read_sweep_file,
    report_failures,
    report_plan,
    sweep_toml,
    unfinished_sweeps,
)

__all__ = [
    "SweepOutcome",
    "open_progress",
    "plan",
    "plan_request",
    "report_failures",
    "run",
    "run_request",
    "sweep_facts",
    "sweep_line",
    "sweep_request",
    "sweep_result",
    "sweep_toml",
    "unfinished_sweeps",
]

Names = str | Sequence[str]
Numbers = int | str | Sequence[int]


def run(
    methods: Names,
    datasets: Names,
    *,
    backbone: Names | None = None,
    protocol: str | None = None,
    shots: Numbers = 16,
    seeds: Numbers = 3,
    settings: Mapping[str, object] | None = None,
    runs: str | Path = "runs",
    progress: str = "auto",
    **options: Any,
) -> Results:
    """Run methods on datasets and give the results. Finished runs are skipped, and an interrupted call can be repeated.

    Args:
        methods: names, shell-style patterns such as `"vpt*"`, files of methods such as `"./mine.py"`, or `"all"`.
        datasets: names, patterns or `"all"`.
        backbone: `arch.tag` of open_clip, or `ARCH=FILE` for local weights; several for a sweep over backbones.
            Default: the included demo backbone, for synthetic datasets only.
        protocol: `"base-to-new"`, `"few-shot"`, `"cross-dataset"`, `"domain-generalization"` or `"test-time"`.
            Default: base-to-new, and few-shot for your own images.
        shots: labelled images per class; several for a sweep over shots.
        seeds: a number N means seeds 1 to N; a list names them.
        settings: method settings by name, such as `{"coop.n_ctx": 4, "*.recipe.epochs": 20}`. A list, such as
            `{"coop.n_ctx": [4, 8, 16]}`, gives runs for each value; a value that is itself a list is a tuple. Default:
            published ones.
        runs: folder of the runs and their database.
        progress: `"auto"` (a bar in a notebook and on a terminal, lines elsewhere), `"live"`, `"plain"`, `"json"` or
            `"none"`.
        options: any other option of `etl-bench run`, such as `device="cuda"`, `data_root="~/data"` or
            `tracker="mlflow"`.

    Returns:
        The results of the requested runs. `Results.failed` lists runs that failed.

    Raises:
        UsageError: an unknown option, or a value that an option does not take.
        ImpossibleCombinationError: nothing can run. If only a part cannot, such as a method on a backbone that it does
            not support, the rest runs.

    Example:
        >>> from tempfile import mkdtemp
        >>> from bench import run
        >>> results = run("zero_shot", "spectrum_basic", runs=mkdtemp(), jobs=0, progress="none")
        >>> len(results), results.failed
        (1, [])
    """
    axes = {"methods": methods, "datasets": datasets, "shots": shots, "seeds": seeds}
    request = _request(backbone=backbone, protocol=protocol, settings=settings, runs=runs, **axes, **options)
    log = open_log(LogStyle(progress))
    outcome = run_request(request, log)
    report_failures(outcome, log)
    return sweep_result(outcome, request.runs)


def plan(methods: Names, datasets: Names, **options: Any) -> Plan:
    """What `run` with the same arguments would do, without doing it.

    Example:
        >>> from tempfile import mkdtemp
        >>> from bench import plan
        >>> planned = plan(["zero_shot", "coop"], "spectrum_basic", seeds=2, runs=mkdtemp())
        >>> [spec.label() for spec in planned.pending][1]
        'coop on spectrum_basic, base-to-new, 16 shots, seed 1'
    """
    return make_plan(_request(methods=methods, datasets=datasets, **options), open_log(LogStyle.NONE))


def sweep_request(
    file: Path | None = None, environment: Mapping[str, Any] = MappingProxyType({}), **values: Any
) -> SweepRequest:
    """The request of a user, by field name; without a value, that of a sweep file, and then of the environment."""
    written = {} if file is None else read_sweep_file(file)
    return SweepRequest.build(**{**environment, **written, **values})


def open_progress(style: str = "auto") -> SweepLog:
    """A log of a sweep on standard error: auto, live, plain, json or none; UsageError for any other style."""
    return open_log(parse_choice(LogStyle, style, "--log"))


def plan_request(request: SweepRequest, log: SweepLog) -> Plan:
    """What a request would do, without doing it, reported to the log."""
    planned = make_plan(request, log)
    report_plan(planned, log)
    return planned


def run_request(request: SweepRequest, log: SweepLog) -> SweepOutcome:
    """Plan and carry out a request, reporting to the log.

    The failed runs are reported by `report_failures`, so that a result can be printed before.
    """
    with early_process(request) as process:
        planned = make_plan(request, log)
        report_plan(planned, log)
        return carry_out(planned, log, process)


def sweep_result(outcome: SweepOutcome, runs: Path) -> Results:
    """The results of the planned runs of a sweep."""
    return Results(runs, frozenset(spec.run_id for spec in outcome.plan.specs), outcome.failed)


def sweep_facts(outcome: SweepOutcome) -> dict[str, object]:
    """What a sweep did, as plain values."""
    planned, summary = outcome.plan, outcome.summary
    return {
        "planned": len(planned.specs),
        "done_before": len(planned.done),
        "finished": len(summary.runs),
        "by_other_sweeps": sum(not item.here for item in summary.runs),
        "failed": outcome.failed,
        "stale": planned.stale_reasons,
        "refused": [{"what": item.what, "reason": item.reason} for item in planned.left_out],
        "interrupted": summary.interrupted,
    }


def sweep_line(outcome: SweepOutcome, runs: Path) -> str:
    """How many runs finished and failed, in one line; empty if nothing was done."""
    if not outcome.summary.finished:
        return ""
    finished = outcome.summary.runs
    elsewhere = sum(not item.here for item in finished)
    by_others = f" ({elsewhere} by other sweeps)" if elsewhere else ""
    ok = sum(item.outcome is Outcome.OK for item in finished)
    return f"{ok} finished{by_others}, {len(outcome.summary.failures)} failed; in {runs}"


def _request(
    *,
    backbone: Names | None = None,
    protocol: str | None = None,
    settings: Mapping[str, object] | None = None,
    runs: str | Path = "runs",
    **options: Any,
) -> SweepRequest:
    folders = {name: Path(options[name]).expanduser() for name in ("data_root", "cache") if options.get(name)}
    folders["runs"] = Path(runs).expanduser()
    named_options: dict[str, Any] = {
        name: value for name, value in (("backbones", backbone), ("protocol", protocol)) if value is not None
    }
    return sweep_request(overrides=settings or [], **named_options, **{**options, **folders})
