"""A paper's tables and figures from runs of this project, beside the printed numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from bench._util.words import counted
from bench.api.option_effects import OnlyWith
from bench.api.options import Arg, Opt
from bench.errors import ImpossibleCombinationError, StoreError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from bench.papers import FinishedRuns, Machine, Paper, PaperPart, TableRow
    from bench.spec import ExperimentSpec
    from bench.sweep import SweepLog, SweepOutline, SweepRequest

ALL_EXPERIMENTS = "all"


@dataclass(frozen=True)
class ReproducedExperiment:
    """A table or figure from our runs.

    Args:
        rows: ours beside the printed numbers; ours alone on synthetic data.
        verdicts: number of cells by verdict.
        left_out: what could not run, one line each.
        exit_code: 0 all done, 1 a run failed, 3 something was left out, 130 interrupted.
    """

    name: str
    title: str
    rows: tuple[TableRow, ...]
    verdicts: Mapping[str, int]
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    exit_code: int = 0
    run_ids: frozenset[str] = field(default_factory=frozenset)

    @property
    def interrupted(self) -> bool:
        """Whether its sweep was stopped."""
        return self.exit_code == 130

    def texts(self) -> list[dict[str, object]]:
        """The lines of the table as texts, laid out as in papers."""
        from bench.papers import table_texts

        return list(table_texts(self.rows))


def reproduce_paper(
    paper: Annotated[str, Arg("Name of a shipped paper, or a file.", metavar="PAPER")],
    what: Annotated[
        str, Arg("table-2, figure-8, ... or all. Default: list them with their cost.", metavar="[WHAT]")
    ] = ALL_EXPERIMENTS,
    *,
    on: Annotated[str | None, Opt("synthetic: the included suite and backbone, in minutes, without data.")] = None,
    methods: Annotated[Sequence[str], Opt("Only these of the paper.", "-m")] = (),
    datasets: Annotated[Sequence[str], Opt("Only these of the paper.", "-d")] = (),
    seeds: Annotated[str | int | Sequence[int] | None, Opt("In place of the paper's, such as 3 or 1,2.")] = None,
    progress: Annotated[str | SweepLog, Opt("Progress, as of `run`.", "--log"), OnlyWith("what")] = "auto",
    runs: str | Path = "runs",
    **options: Any,
) -> list[ReproducedExperiment]:
    """Run what a paper's table or figure lacks, then give ours beside the printed numbers. Finished runs are skipped.

    Args:
        paper: name of a shipped paper, or the path of a file.
        what: such as `table-2` or `figure-8`; or `all`.
        on: `synthetic` for the included suite and backbone: minutes in place of GPU hours, compared with nothing.
        runs: folder of the runs and their database.
        progress: as of `bench.run`, or a log.
        methods: only these of the paper; likewise `datasets`.
        seeds: in place of the paper's, such as 3.
        options: options of `etl-bench run` that say how and where, such as `device="cuda"` or `launcher="ray"`.

    Raises:
        UnknownNameError: unknown paper, table or method, with near misses.
        UsageError: a wrong paper file, with its line, or an option that a sweep does not take.

    What lacks its data or weights is left out with the reason, and the rest runs.
    """
    from bench.api.missing_inputs import Places
    from bench.papers import CPU, GPU, PaperPart, all_datasets, finished_runs, read_paper
    from bench.sweep import LogStyle, OneCount, open_log, outline_of, parse_choice

    found = read_paper(paper)
    log = open_log(parse_choice(LogStyle, progress, "--log")) if isinstance(progress, str) else progress
    folder = Path(runs).expanduser()
    chosen: dict[str, Any] = {"methods": methods, "datasets": datasets, "seeds": seeds}
    names = list(found.experiments) if what == ALL_EXPERIMENTS else [found.named(what)]
    for name in names:
        _check_names(found, name)
    part = PaperPart.of(found, names, on=on, runs=folder, **chosen, **options)
    plans = {name: outlines for name, outlines in part.outlines.items() if outlines}  # those that have the chosen parts
    every = [name for outlines in plans.values() for one in outlines for name in all_datasets(one.request)]
    places = Places(options.get("data_root"))
    missing = dict.fromkeys(() if on else places.missing(every, ()))
    here = {name: _without([one.request for one in outlines], missing) for name, outlines in plans.items()}
    done = []
    machine = CPU if on else GPU
    finished = finished_runs(folder, machine)
    outlines = [[outline_of(one, unchecked=True) for one in some] for some in here.values()]
    left, line = _estimate(outlines, finished, machine)
    if missing:
        log.notice(f"with all data: {_estimate(list(plans.values()), finished, machine)[1]}")
    log.notice(f"{'with the data that is here: ' if missing else ''}{line}{f' {machine.assumption}' if left else ''}")
    if missing:
        log.notice(f"missing data: {'; '.join(places.commands(list(missing)))}")
    log = OneCount(log, left)
    for name, requests in here.items():
        if len(names) > 1:
            log.notice(f"{name}: {found.experiments[name].title}")
        own = dict.fromkeys(data for item in plans[name] for data in all_datasets(item.request) if data in missing)
        lacks = [f"no data of {', '.join(own)}"] if own else []
        one = _reproduced(found, name, requests, on, log, folder, part, lacks)
        done.append(one)
        if one.interrupted:
            break
    return done


def _without(requests: Sequence[SweepRequest], missing: Collection[str]) -> list[SweepRequest]:
    """The requests without these datasets and targets; those that have no others are left out."""
    found = []
    for request in requests:
        datasets, targets = (
            [name for name in names if name not in missing] for names in (request.datasets, request.targets)
        )
        if datasets and (targets or not request.targets):
            found.append(request.model_copy(update={"datasets": datasets, "targets": targets}))
    return found


def _estimate(plans: Sequence[Sequence[SweepOutline]], finished: FinishedRuns, machine: Machine) -> tuple[int, str]:
    """The runs that are left for some experiments, and a line about them and what they will cost."""
    from bench.papers import CPU, hours_text, needs_of, planned_cells

    cells = [cell for outlines in plans for cell in planned_cells(outlines, machine)]
    needs = needs_of(cells, finished)
    done, left = f"{counted(needs.runs, 'run')}, {needs.done} done", needs.runs - needs.done
    if not left:
        return 0, f"{done}."
    hours, where = needs.hours, "on two cores" if machine is CPU else "of a GPU"
    time = f"{hours_text(hours)} hours" if hours >= 1 else counted(max(1, round(60 * hours)), "minute")
    size = f"{needs.bytes / 1e9:.2g} GB (estimate)"
    trained = f" with at least {counted(needs.trainings, 'training')}" if needs.trainings else ""
    return left, f"{done}; the rest{trained} takes about {time} {where} and {size}."


def _check_names(paper: Paper, name: str) -> None:
    """Raise UsageError, which names the line, for a figure or a printed table that does not exist."""
    from bench.papers import printed_numbers

    experiment = paper.experiments[name]
    if experiment.printed:
        try:
            printed_numbers(paper.header.reported_in, experiment.printed)
        except UsageError as error:
            raise paper.located((name, "printed"), str(error)) from None


def _reproduced(
    paper: Paper,
    name: str,
    requests: Sequence[SweepRequest],
    on: str | None,
    log: SweepLog,
    folder: Path,
    part: PaperPart,
    lacks: Sequence[str],
) -> ReproducedExperiment:
    """Run an experiment and compare it."""
    from bench.api.running import report_failures, run_request
    from bench.papers import SYNTHETIC_STATEMENT
    from bench.sweep import alike_but_for_settings

    experiment, left_out, ids = paper.experiments[name], list(lacks), dict[str, None]()
    code = 3 if lacks else 0
    together: dict[str, list[SweepRequest]] = {}
    for one in requests:
        together.setdefault(alike_but_for_settings(one), []).append(one)
    for request, *others in together.values():
        try:
            outcome = run_request(request, log, also=others)
        except ImpossibleCombinationError as error:  # its data or weights are missing
            left_out.append(str(error))
            code = max(code, 3)
            continue
        report_failures(outcome, log)
        if again := _lacking(request, outcome.plan.done):
            lacking = f"{counted(len(again), 'finished run')} without both branches"
            log.notice(f"{lacking}: computed again")
            outcome = run_request(request, log, again, others)
            report_failures(outcome, log)
        ids |= {spec.run_id: None for spec in outcome.plan.specs}
        left_out += [f"{item.what}: {item.reason}" for item in outcome.plan.rejected]
        code = max(code, outcome.exit_code)
    frame, difficulty = _frames(folder, ids)
    rows = _rows(paper, name, frame, difficulty, on, folder, list(ids), part)
    verdicts = Counter(cell.verdict for row in rows for cell in row.cells.values() if cell.verdict)
    said = [paper.header.note, experiment.note, *_about_rows(paper, name, rows, on, part)]
    said += [SYNTHETIC_STATEMENT] if on else []
    return ReproducedExperiment(
        name,
        experiment.title,
        tuple(rows),
        dict(verdicts),
        tuple(filter(None, said)),
        tuple(dict.fromkeys(left_out)),
        code,
        frozenset(ids),
    )


def _lacking(request: SweepRequest, done: Sequence[ExperimentSpec]) -> list[str]:
    """Ids of the finished runs without the branches that the request keeps.

    Branches are read from runs of APEX with its published ensemble, and give every other weight.
    """
    from bench.results import Shards

    shards, found = Shards(request.runs), []
    for spec in done if request.keep_branches else ():
        published = spec.config.get("ensemble_weight") == "adaptive" and spec.config.get("ensemble") == "both"
        shard = shards.read(spec.run_id) if published else None
        if shard is not None and all(item.branches is None for item in shard.predictions):
            found.append(spec.run_id)
    return found


def _frames(folder: Path, ids: Collection[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The finished runs of an experiment and the measured difficulties; empty frames without a store."""
    import pandas as pd

    from bench.results import fresh_store

    if not ids:
        return pd.DataFrame(), pd.DataFrame()
    try:
        store = fresh_store(folder)
    except StoreError:
        return pd.DataFrame(), pd.DataFrame()
    frame, measured = store.runs_frame(), store.difficulty_frame()
    mine = frame[frame["run_id"].isin(ids) & frame["split"].notna()].reset_index(drop=True)
    mine = store.with_outcomes(mine)
    return mine, measured[measured["dataset"].isin(set(mine["dataset"]))] if len(mine) else measured.iloc[:0]


def _rows(
    paper: Paper,
    name: str,
    frame: pd.DataFrame,
    difficulty: pd.DataFrame,
    on: str | None,
    folder: Path,
    ids: Sequence[str],
    part: PaperPart,
) -> list[TableRow]:
    """The rows of a table with the chosen methods and datasets; on synthetic data ours, with its splits."""
    from bench.papers import own_rows, published_frame, reproduced_rows, rows_like

    printed = _printed(paper, name)
    if on:
        return rows_like(printed, frame, difficulty, order=ids, stands_for=part.datasets_of[name])
    if printed.empty:
        return own_rows(frame, published_frame(), order=ids)
    for column, wanted in (("method", part.methods), ("dataset", part.datasets)):
        printed = printed[printed[column].isin(wanted)] if wanted else printed
    weights = _best_weights(folder, frame) if (printed["metric"] == "optimal_alpha").any() else {}
    return reproduced_rows(printed, frame, difficulty, weights)


def _printed(paper: Paper, name: str) -> pd.DataFrame:
    """The printed numbers of an experiment; none if the file names no table."""
    from bench.papers import printed_numbers, published_frame

    tables = paper.experiments[name].printed
    return printed_numbers(paper.header.reported_in, tables) if tables else published_frame().iloc[:0]


def _about_rows(paper: Paper, name: str, rows: Sequence[TableRow], on: str | None, part: PaperPart) -> list[str]:
    """What the rows lack of the paper's table, what their average is of, and known misprints."""
    from bench.papers import not_in_rows

    found = []
    if on and rows and (absent := not_in_rows(_printed(paper, name), rows)):
        found.append(f"The paper's table also has {', '.join(absent)}, which the table of synthetic data leaves out.")
    sources = {one for plan in part.outlines[name] if plan.request.targets for one in plan.request.datasets}
    if sources and any(row.dataset == "average" for row in rows):
        found.append(f"The average is over the targets, without the source {', '.join(sorted(sources))}.")
    cells = ((row, cell) for row in rows for cell in row.cells.values() if cell.misprint)
    return found + [f"{row.method}, {row.dataset}: printed {cell.printed}. {cell.misprint}" for row, cell in cells]


def _best_weights(folder: Path, frame: pd.DataFrame) -> dict[str, float]:
    """The best fixed ensemble weight on new classes by dataset, from runs of APEX that kept their branches."""
    from bench.results import Shards, best_fixed_weight

    shards, seeds = Shards(folder), defaultdict[str, list[Any]](list)
    if frame.empty:
        return {}
    apex = frame[frame["method"] == "apex"]
    for run_id, dataset in {(str(run), str(name)) for run, name in zip(apex["run_id"], apex["dataset"], strict=True)}:
        shard = shards.read(run_id)
        kept = () if shard is None else shard.predictions
        seeds[dataset] += [item for item in kept if item.split == "new" and item.branches is not None]
    return {dataset: best_fixed_weight(found) for dataset, found in seeds.items() if found}
