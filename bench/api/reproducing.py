"""A paper's tables and figures from runs of this project, beside the printed numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from bench._util.words import counted
from bench.api.options import Arg, Opt
from bench.api.paper_listing import folder_of_runs
from bench.errors import ImpossibleCombinationError, StoreError, UsageError
from bench.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

    from bench.papers import Paper, PaperPart, TableRow
    from bench.sweep import Plan, SweepLog, SweepRequest

ALL_EXPERIMENTS = "all"
INTERRUPTED = 130
"""Exit code of a command that was stopped."""


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
        return self.exit_code == INTERRUPTED

    def table(self) -> Table:
        """The lines as texts, laid out as in papers."""
        from bench.papers import table_texts

        lines = list(table_texts(self.rows))
        columns = [Column(name, itemgetter(name)) for name in (lines[0] if lines else ())]
        return Table(lines, columns, labels=("dataset", "stands for", "method"))


def reproduce_paper(
    paper: Annotated[str, Arg("Name of a shipped paper, or a file.", metavar="PAPER")],
    what: Annotated[str, Arg("table-2, figure-8, ... or all. Default: list them.", metavar="[WHAT]")] = ALL_EXPERIMENTS,
    *,
    on: Annotated[str | None, Opt("synthetic: the included suite and backbone, in minutes, without data.")] = None,
    methods: Annotated[Sequence[str], Opt("Only these of the paper.", "-m")] = (),
    datasets: Annotated[Sequence[str], Opt("Only these of the paper.", "-d")] = (),
    seeds: Annotated[str | int | Sequence[int] | None, Opt("In place of the paper's, such as 3 or 1,2.")] = None,
    progress: Annotated[str | SweepLog, Opt("Progress, as of `run`.", "--log")] = "auto",
    runs: str | Path | None = None,
    **options: Any,
) -> list[ReproducedExperiment]:
    """Run what a paper's table or figure lacks, then give ours beside the printed numbers. Finished runs are skipped.

    Args:
        paper: name of a shipped paper, or the path of a file.
        what: such as `table-2` or `figure-8`; or `all`.
        on: `synthetic` for the included suite and backbone: minutes in place of GPU hours, compared with nothing.
        runs: folder of the runs and their database. Default: `runs`, or `runs-synthetic` on synthetic data.
        progress: as of `bench.run`, or a log.
        methods: only these of the paper; likewise `datasets`.
        seeds: in place of the paper's, such as 3.
        options: options of `etl-bench run` that say how and where, such as `device="cuda"` or `launcher="ray"`.

    Raises:
        UnknownNameError: unknown paper, table or method, with near misses.
        UsageError: a wrong paper file, with its line, missing features, or an option that a sweep does not take.

    What lacks its data or weights is left out with the reason, and the rest runs.
    """
    from bench.api.missing_inputs import Places, add_missing_features
    from bench.papers import PaperPart, all_datasets, finished_seeds, needs_of, read_paper
    from bench.sweep import LogStyle, open_log, outline_of, parse_choice

    loaded_paper = read_paper(paper)
    add_missing_features(loaded_paper, options.get("data_root"))
    log = open_log(parse_choice(LogStyle, progress, "--log")) if isinstance(progress, str) else progress
    folder = folder_of_runs(runs, on)
    chosen: dict[str, Any] = {"methods": methods, "datasets": datasets, "seeds": seeds}
    names = list(loaded_paper.experiments) if what == ALL_EXPERIMENTS else [loaded_paper.named(what)]
    for name in names:
        _check_names(loaded_paper, name)
    part = PaperPart.of(loaded_paper, names, on=on, runs=folder, **chosen, **options)
    plans = {name: outlines for name, outlines in part.outlines.items() if outlines}  # those that have the chosen parts
    needed_datasets = [
        name for outlines in plans.values() for outline in outlines for name in all_datasets(outline.request)
    ]
    places = Places(options.get("data_root"))
    missing = dict.fromkeys(() if on else places.missing(needed_datasets, ()))
    requests_by_name = {
        name: _without([outline.request for outline in outlines], missing) for name, outlines in plans.items()
    }
    reproduced = []
    finished = finished_seeds(folder)

    def count(plans: Iterable[Sequence[Plan]]) -> tuple[int, str]:
        """The runs that are left for some experiments, and a line about them."""
        needs = needs_of([outline for outlines in plans for outline in outlines], finished)
        return needs.runs - needs.done, f"{counted(needs.runs, 'run')}, {needs.done} done"

    n_missing, line = count(
        [outline_of(request, unchecked=True) for request in requests] for requests in requests_by_name.values()
    )
    if missing:
        log.notice(f"with all data: {count(plans.values())[1]}")
        log.notice(f"missing data: {'; '.join(places.commands(list(missing)))}")
    log.notice(f"{'with the data that is here: ' if missing else ''}{line}")
    log.expect(n_missing)
    for name, requests in requests_by_name.items():
        if len(names) > 1:
            log.notice(f"{name}: {loaded_paper.experiments[name].title}")
        missing_data = dict.fromkeys(
            data for item in plans[name] for data in all_datasets(item.request) if data in missing
        )
        lacks = [f"no data of {', '.join(missing_data)}"] if missing_data else []
        experiment = _reproduced(loaded_paper, name, requests, on, log, folder, part, lacks)
        reproduced.append(experiment)
        if experiment.interrupted:
            break
    return reproduced


def _without(requests: Sequence[SweepRequest], missing: Collection[str]) -> list[SweepRequest]:
    """The requests without these datasets and targets; those that have no others are left out."""
    possible = []
    for request in requests:
        datasets, targets = (
            [name for name in names if name not in missing] for names in (request.datasets, request.targets)
        )
        if datasets and (targets or not request.targets):
            possible.append(request.model_copy(update={"datasets": datasets, "targets": targets}))
    return possible


def _check_names(paper: Paper, name: str) -> None:
    """Raise UsageError, which names the line, for a printed table that does not exist."""
    from bench.papers import printed_numbers

    experiment = paper.experiments[name]
    if experiment.printed:
        if not paper.header.reported_in:
            raise paper.located(
                (name, "printed"),
                "At the top of the file, `reported-in` must name the paper in the ledger.",
            )
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

    experiment, left_out, method_of = paper.experiments[name], list(lacks), dict[str, str]()
    unfinished = set[str]()
    code = 3 if lacks else 0
    for request in requests:
        if code == INTERRUPTED:
            unfinished.update(request.methods)
            continue
        try:
            outcome = run_request(request, log)
        except ImpossibleCombinationError as error:  # its data or weights are missing
            left_out.append(str(error))
            code = max(code, 3)
            continue
        report_failures(outcome, log)
        method_of |= {spec.run_id: spec.method for spec in outcome.plan.specs}
        left_out += [f"{item.what}: {item.reason}" for item in outcome.plan.left_out]
        code = max(code, outcome.exit_code)
    frame, difficulty = _frames(folder, method_of)
    finished = set(frame["run_id"]) if len(frame) else set()
    unfinished.update(method for run_id, method in method_of.items() if run_id not in finished)
    rows = _rows(paper, name, frame, difficulty, on, list(method_of), part, averages=not unfinished)
    verdicts = Counter(cell.verdict for row in rows for cell in row.cells.values() if cell.verdict)
    said = [paper.header.note, experiment.note, *_about_rows(name, rows, part)] if rows else []
    if unfinished and rows:
        said.append(f"Some runs are not finished, of {', '.join(sorted(unfinished))}: there are no averages.")
    if experiment.printed and rows and not on and not any(cell.printed for row in rows for cell in row.cells.values()):
        said.append("The printed numbers are of other settings than these runs.")
    said += [SYNTHETIC_STATEMENT] if on else []
    return ReproducedExperiment(
        name,
        experiment.title,
        tuple(rows),
        dict(verdicts),
        tuple(filter(None, said)),
        tuple(dict.fromkeys(left_out)),
        code,
        frozenset(method_of),
    )


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
    runs = frame[frame["run_id"].isin(ids) & frame["split"].notna()].reset_index(drop=True)
    runs = store.with_outcomes(runs)
    return runs, measured[measured["dataset"].isin(set(runs["dataset"]))] if len(runs) else measured.iloc[:0]


def _rows(
    paper: Paper,
    name: str,
    frame: pd.DataFrame,
    difficulty: pd.DataFrame,
    on: str | None,
    ids: Sequence[str],
    part: PaperPart,
    *,
    averages: bool,
) -> list[TableRow]:
    """The rows of a table with the chosen methods and datasets; on synthetic data and of a user's file ours."""
    from bench.papers import all_datasets, own_rows, published_frame, reproduced_rows

    if on:
        return own_rows(frame, order=ids, stands_for=part.stands_for[name], averages=averages)
    printed = _printed(paper, name)
    if printed.empty or (paper.file is not None and len(frame)):
        numbers = published_frame() if printed.empty else printed
        return own_rows(frame, numbers, order=ids, averages=averages)
    methods, datasets = part.methods, part.datasets
    if paper.file is not None:  # it names a part of the printed table
        requests = [outline.request for outline in part.outlines[name]]
        methods = [method for request in requests for method in request.methods]
        datasets = [dataset for request in requests for dataset in all_datasets(request)]
    for column, chosen in (("method", methods), ("dataset", datasets)):
        printed = printed[printed[column].isin(chosen)] if chosen else printed
    return reproduced_rows(printed, frame, difficulty)


def _printed(paper: Paper, name: str) -> pd.DataFrame:
    """The printed numbers of an experiment; none if the file names no table."""
    from bench.papers import printed_numbers, published_frame

    tables = paper.experiments[name].printed
    return printed_numbers(paper.header.reported_in, tables) if tables else published_frame().iloc[:0]


def _about_rows(name: str, rows: Sequence[TableRow], part: PaperPart) -> list[str]:
    """What the average of some rows is of, and known misprints."""
    notes = []
    sources = {source for plan in part.outlines[name] if plan.request.targets for source in plan.request.datasets}
    if sources and any(row.dataset == "average" for row in rows):
        notes.append(f"The average is over the targets, without the source {', '.join(sorted(sources))}.")
    cells = ((row, cell) for row in rows for cell in row.cells.values() if cell.misprint)
    return notes + [f"{row.method}, {row.dataset}: printed {cell.printed}. {cell.misprint}" for row, cell in cells]
