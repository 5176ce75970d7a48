"""A paper's tables and figures from runs of this project, beside the printed numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from bench._util.words import counted
from bench.api.options import Arg, Force, Opt
from bench.errors import ImpossibleCombinationError, StoreError, UsageError
from bench.extension import figure_drawer
from datasets_registry import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from bench.papers import Paper, TableRow
    from bench.spec import ExperimentSpec
    from bench.sweep import SweepLog, SweepOutline, SweepRequest

SYNTHETIC = "synthetic"
ALL_EXPERIMENTS = "all"


@dataclass(frozen=True)
class ReproducedExperiment:
    """A table or figure from our runs.

    Args:
        rows: ours beside the printed numbers; ours alone on synthetic data.
        verdicts: number of cells by verdict.
        figures: the drawn figures, and `files` with them.
        left_out: what could not run, one line each.
        exit_code: 0 all done, 1 a run failed, 3 something was left out, 130 interrupted.
    """

    name: str
    title: str
    rows: tuple[TableRow, ...]
    verdicts: Mapping[str, int]
    figures: tuple[Any, ...] = ()
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    exit_code: int = 0
    run_ids: frozenset[str] = field(default_factory=frozenset)

    def texts(self) -> list[dict[str, object]]:
        """The rows of the table as texts."""
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
    figures: Annotated[Path | str | None, Opt("Folder of the drawn figures.", "--figures-dir")] = None,
    force: Force = False,
    progress: Annotated[str | SweepLog, Opt("Progress, as of `run`.", "--log")] = "auto",
    runs: str | Path = "runs",
    **options: Any,
) -> list[ReproducedExperiment]:
    """Run what a paper's table or figure lacks, then give ours beside the printed numbers. Finished runs are skipped.

    Args:
        paper: name of a shipped paper, or the path of a file.
        what: such as `table-2` or `figure-8`; or `all`.
        on: `synthetic` for the included suite and backbone: minutes in place of GPU hours, compared with nothing.
        runs: folder of the runs and their database.
        figures: folder in which the figures are drawn as SVG, PDF, PNG and Vega-Lite; None draws none.
        progress: as of `bench.run`, or a log.
        force: replace files in `figures` that etl-bench did not write.
        methods: only these of the paper; likewise `datasets`.
        seeds: in place of the paper's, such as 3.
        options: options of `etl-bench run` that say how and where, such as `device="cuda"` or `launcher="ray"`.

    Raises:
        UnknownNameError: unknown paper, table or method, with near misses.
        UsageError: a wrong paper file, with its line, an option that a sweep does not take, or a folder for figures
            that etl-bench did not make, unless `force`.

    What lacks its data or weights is left out with the reason, and the rest runs.
    """
    from bench.papers import read_paper
    from bench.results import check_own_folder
    from bench.sweep import LogStyle, open_log, parse_choice

    found = read_paper(paper)
    log = open_log(parse_choice(LogStyle, progress, "--log")) if isinstance(progress, str) else progress
    names = list(found.experiments) if what == ALL_EXPERIMENTS else [_named(found, what)]
    changes: dict[str, Any] = {"methods": methods, "datasets": datasets, "seeds": seeds}
    folder = Path(runs).expanduser()
    for name in names:
        _check_names(found, name)
    if figures is not None and any(found.experiments[name].figures for name in names):
        check_own_folder(Path(figures).expanduser(), "--figures-dir", force=force)
    plans = {name: experiment_outlines(found, name, on, changes, runs=folder, **options) for name in names}
    done = []
    log.notice(_estimate_line(list(plans.values()), on))
    for name, outlines in plans.items():
        if len(names) > 1:
            log.notice(f"{name}: {found.experiments[name].title}")
        one = _reproduced(found, name, [item.request for item in outlines], on, log, figures, force=force)
        done.append(one)
        if one.exit_code == 130:
            break
    return done


def _estimate_line(plans: Sequence[Sequence[SweepOutline]], on: str | None) -> str:
    """What is left to do for some experiments and what it will cost, before anything starts."""
    from bench.papers import CPU, GPU, finished_runs, needs_of, planned_cells

    folder = next((outline.request.runs for outlines in plans for outline in outlines), None)
    if folder is None:
        return "nothing to run: the paper has none of these methods or datasets"
    machine = CPU if on else GPU
    cells = [cell for outlines in plans for cell in planned_cells(outlines, machine)]
    needs = needs_of(cells, finished_runs(folder, machine))
    done = f"{counted(needs.runs, 'run')}, {needs.done} done"
    if needs.runs == needs.done:
        return done
    hours, where = needs.hours, "on two cores" if on else "of a GPU"
    time = f"{hours:.2g} hours" if hours >= 1 else counted(max(1, round(60 * hours)), "minute")
    trained = f" with {counted(needs.trainings, 'training')}" if needs.trainings else ""
    size = f"{needs.bytes / 1e9:.2g} GB"
    return f"{done}; the rest{trained} takes about {time} {where} and {size} (estimate). {machine.assumption}"


def _named(paper: Paper, what: str) -> str:
    experiment = paper.experiment(what)
    return next(name for name, one in paper.experiments.items() if one is experiment)


def experiment_outlines(
    paper: Paper, name: str, on: str | None, changes: Mapping[str, Any], **options: Any
) -> list[SweepOutline]:
    """The sweeps of an experiment with the caller's changes, on synthetic data if asked."""
    from bench.papers import synthetic_form
    from bench.sweep import outline_of

    if on not in (None, SYNTHETIC):
        raise UsageError(f"--on {on!r} is unknown. Allowed: {SYNTHETIC}.")
    kept = {key: value for key, value in changes.items() if key not in ("methods", "datasets") and value}
    outlines = paper.outlines(name, **kept, **({} if on else options))
    if changes.get("methods") or changes.get("datasets"):
        requests = [narrowed for item in outlines if (narrowed := _narrowed(item.request, changes)) is not None]
        outlines = [outline_of(request, unchecked=True) for request in requests]
    if not on:
        return outlines
    own_seeds = {"seeds": kept["seeds"]} if "seeds" in kept else {}
    own = {"device": "cpu"} | options | own_seeds
    return [outline_of(synthetic_form(item.request, **own), unchecked=True) for item in outlines]


def _narrowed(request: SweepRequest, changes: Mapping[str, Any]) -> SweepRequest | None:
    """The request with only the chosen methods and datasets; None if it has none of them."""
    from bench.sweep import split_list
    from datasets_registry import get_dataset

    values: dict[str, list[str]] = {}
    for key in ("methods", "datasets"):
        wanted = split_list(changes.get(key) or [])
        if not wanted:
            continue
        for name in wanted:
            if key == "datasets":
                get_dataset(name)
            else:
                _check_method(name)
        targets = key == "datasets" and request.targets
        field_name = "targets" if targets else key
        values[field_name] = [name for name in getattr(request, field_name) if name in wanted]
        if not values[field_name]:
            return None
    if "methods" in values:
        overrides = [text for text in request.overrides if _concerns(text, values["methods"])]
        values["overrides"] = overrides
    return request.model_copy(update=values)


def _concerns(override: str, methods: Sequence[str]) -> bool:
    from fnmatch import fnmatchcase

    return any(fnmatchcase(name, override.partition(".")[0]) for name in methods)


def _check_method(name: str) -> None:
    from bench.results import known_methods

    known_methods().get(name)


def _check_names(paper: Paper, name: str) -> None:
    """Raise UsageError, which names the line, for a figure or a printed table that does not exist."""
    from bench.papers import printed_numbers

    experiment, drawer = paper.experiments[name], figure_drawer()
    known = () if drawer is None else drawer.NAMES
    for figure in experiment.figures:
        if known and figure not in known:
            problem = f"unknown figure {figure!r}.{did_you_mean(figure, known)} Known: {', '.join(known)}."
            raise paper.located((name, "figures"), problem)
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
    figures: str | Path | None,
    *,
    force: bool,
) -> ReproducedExperiment:
    """Run an experiment, compare it and draw its figures."""
    from bench.api.running import report_failures, run_request
    from bench.papers import SYNTHETIC_STATEMENT
    from bench.sweep import alike_but_for_settings

    experiment, left_out, ids, code = paper.experiments[name], list[str](), set[str](), 0
    together: dict[str, list[SweepRequest]] = {}
    for one in requests:
        together.setdefault(alike_but_for_settings(one), []).append(one)
    for request, *others in together.values():
        try:
            outcome = run_request(request, log, also=others)
        except ImpossibleCombinationError as error:  # its data or weights are missing
            left_out.append(str(error))
            log.notice(f"left out: {error}")
            code = max(code, 3)
            continue
        report_failures(outcome, log)
        if again := _lacking(request, outcome.plan.done):
            lacking = f"{counted(len(again), 'finished run')} without what the figures need (curves, or both branches)"
            log.notice(f"{lacking}: computed again")
            outcome = run_request(request, log, again, others)
            report_failures(outcome, log)
        ids |= {spec.run_id for spec in outcome.plan.specs}
        left_out += [f"{item.what}: {item.reason}" for item in outcome.plan.rejected]
        code = max(code, outcome.exit_code)
    frame, difficulty = _frames(requests, ids)
    rows = _rows(paper, name, frame, difficulty, on)
    drawn, files, notes = _drawn(experiment.figures, requests, ids, figures, on, force=force)
    if experiment.figures and figure_drawer() is None:
        left_out += [f"{one}: no installed extension draws figures of papers" for one in experiment.figures]
        code = max(code, 3)
    verdicts = Counter(cell.verdict for row in rows for cell in row.cells.values() if cell.verdict)
    said = [text for text in (paper.header.note, experiment.note, SYNTHETIC_STATEMENT if on else "") if text]
    return ReproducedExperiment(
        name,
        experiment.title,
        tuple(rows),
        dict(verdicts),
        drawn,
        files,
        (*said, *notes),
        tuple(dict.fromkeys(left_out)),
        code,
        frozenset(ids),
    )


def _lacking(request: SweepRequest, done: Sequence[ExperimentSpec]) -> list[str]:
    """Ids of the finished runs without the curve or the branches that the request keeps.

    Branches are read from runs of APEX with its published ensemble, and give every other weight.
    """
    from bench.results import Shards

    shards, found = Shards(request.runs), []
    for spec in done if request.curve or request.keep_branches else ():
        published = spec.config.get("ensemble_weight") == "adaptive" and spec.config.get("ensemble") == "both"
        with_branches = request.keep_branches and published
        with_curve = request.curve and spec.recipe is not None
        if not (with_branches or with_curve) or (shard := shards.read(spec.run_id)) is None:
            continue
        lacks_branches = with_branches and all(item.branches is None for item in shard.predictions)
        if lacks_branches or (with_curve and not shard.record.curve):
            found.append(spec.run_id)
    return found


def _frames(requests: Sequence[SweepRequest], ids: set[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The finished runs of an experiment and the measured difficulties; empty frames without a store."""
    import pandas as pd

    from bench.results import fresh_store

    if not ids:
        return pd.DataFrame(), pd.DataFrame()
    try:
        store = fresh_store(requests[0].runs)
    except StoreError:
        return pd.DataFrame(), pd.DataFrame()
    frame, measured = store.runs_frame(), store.difficulty_frame()
    mine = frame[frame["run_id"].isin(ids) & frame["split"].notna()].reset_index(drop=True)
    mine = store.with_outcomes(mine)
    return mine, measured[measured["dataset"].isin(set(mine["dataset"]))] if len(mine) else measured.iloc[:0]


def _rows(paper: Paper, name: str, frame: pd.DataFrame, difficulty: pd.DataFrame, on: str | None) -> list[TableRow]:
    from bench.papers import own_rows, printed_numbers, published_frame, reproduced_rows

    if on:
        return own_rows(frame)
    if not (tables := paper.experiments[name].printed):
        return own_rows(frame, published_frame())
    return reproduced_rows(printed_numbers(paper.header.reported_in, tables), frame, difficulty)


def _drawn(
    names: Sequence[str],
    requests: Sequence[SweepRequest],
    ids: set[str],
    folder: str | Path | None,
    on: str | None,
    *,
    force: bool,
) -> tuple[tuple[Any, ...], tuple[Path, ...], tuple[str, ...]]:
    """The figures of an experiment, their files, and what they lack."""
    drawer = figure_drawer()
    if not names or not ids or drawer is None:
        return (), (), ()
    try:
        drawn = drawer.draw(requests[0].runs, names, ids, printed=not on)
    except StoreError:
        return (), (), ()
    missing = tuple(f"{one.name}: {' '.join(one.missing)}" for one in drawn if one.missing)
    files: list[Path] = []
    if folder is not None:
        files = drawer.write(drawn, Path(folder).expanduser(), force=force)
    return tuple(drawn), tuple(files), missing
