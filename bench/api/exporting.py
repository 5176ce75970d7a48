"""Writes leaderboards in the formats of papers and spreadsheets, and figures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api.options import Convention, Force, NewRuns, Opt, Protocol, Shots, shot_counts
from bench.errors import UsageError
from bench.sweep import parse_choice, split_list
from bench.table import Table, Tables
from datasets_registry import EvalProtocol, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis import Leaderboard
    from bench.results import Store


FORMATS = {"csv": (".csv",), "markdown": (".md", ".markdown"), "latex": (".tex",)}
"""The suffixes of the files of each format; each may also be a text file."""


def export_leaderboards(
    form: Annotated[str, Opt("csv, markdown or latex.", "--format")] = "csv",
    out: Annotated[Path | str | None, Opt("File to write. Figures need it. - prints text.")] = None,
    *,
    figure: Annotated[
        str | None, Opt("Write a figure instead: map, difficulty, shots or cost, to a .pdf, .svg or .png file.")
    ] = None,
    methods: Annotated[
        Sequence[str], Opt("Only these methods, in this order. In a figure, the first two have colours.", "-m")
    ] = (),
    runs: NewRuns = "runs",
    protocol: Protocol = None,
    shots: Shots = None,
    by_dataset: Annotated[bool, Opt("One row per dataset instead of averages.")] = False,
    no_intervals: Annotated[
        bool,
        Opt("markdown and latex: leave the intervals out.", "--no-intervals"),
    ] = False,
    convention: Convention = "mean_of_h",
    force: Force = False,
    run_ids: Collection[str] | None = None,
) -> str:
    """Write leaderboards in one of the formats of `etl-bench export`, or a figure.

    Args:
        form: csv, markdown or latex.
        out: a file; None returns the text.
        figure: map, difficulty, shots or cost, instead of a format.
        methods: only these, in this order; they are compared as if no others had been run.
        runs: the runs folder.
        protocol: only this one.
        shots: only these.
        by_dataset: one row per dataset instead of averages.
        no_intervals: leave the intervals out of markdown and latex.
        convention: the H of average rows, `mean_of_h` or `h_of_means`.
        force: replace files that etl-bench did not write.
        run_ids: only these runs; None for all of the folder.

    Returns:
        The text, empty if it was written to `out`. For a figure, a line on what it shows and lacks.

    Raises UsageError for options that do not fit, and if no run fits.
    """
    from bench.analysis import HConvention, build_leaderboards
    from bench.results import check_output_file, fresh_store, write_output
    from bench.sweep import missing_specs, unfinished_sweeps

    _check_format(form)
    out = None if out is None or str(out) == "-" else Path(out)
    if figure is not None:
        _check_figure(figure, out, force=force)
    elif out is not None:
        other = next((name for name, suffixes in FORMATS.items() if out.suffix.lower() in suffixes), form)
        if out.suffix.lower() not in (*FORMATS[form], ".txt") and other != form:
            raise UsageError(
                f"--out {out} is a file of --format {other}, not of {form}; give --format {other} as well."
            )
        check_output_file(out, "--out", force=force, suffixes=(*FORMATS[form], ".txt"))
    how = parse_choice(HConvention, convention, "--h")
    protocol = None if protocol is None else parse_choice(EvalProtocol, protocol, "--protocol")
    store, chosen_methods = fresh_store(Path(runs)), split_list(methods)
    frame = store.runs_frame(installed=True)
    frame = _of_methods(frame if run_ids is None else frame[frame["run_id"].isin(run_ids)], chosen_methods, figure)
    planned = missing_specs(unfinished_sweeps(Path(runs), of=run_ids))
    boards = build_leaderboards(
        frame,
        store.outcomes,
        protocol=protocol,
        shots=shot_counts(shots),
        convention=how,
        planned=[spec for spec in planned if not chosen_methods or spec.method in set(frame["method"])],
        compared=not by_dataset,
    )
    boards = [_ordered(board, chosen_methods) for board in boards if _has_any(board, chosen_methods)]
    if not boards:
        raise UsageError(f"No runs in {runs} match these options; `etl-bench leaderboard` lists what is available.")
    if figure is not None and out is not None:
        return _write_figure(figure, out, boards, frame, store, chosen=bool(chosen_methods), force=force)
    text = _text(form, boards, by_dataset=by_dataset, intervals=not no_intervals)
    if out is None:
        return text
    write_output(out, text.encode(), force=force)
    return ""


def _text(form: str, boards: Sequence[Leaderboard], *, by_dataset: bool, intervals: bool) -> str:
    """The boards in a format; one table for each board, or for each of its measures by dataset."""
    from bench.analysis import board_verdicts, dataset_table, leaderboard_table, rows_by_dataset
    from bench.papers import registered

    tables = []
    for board in boards:
        titles, verdicts = registered().board_titles(board), board_verdicts(board)
        if not by_dataset:
            tables.append(leaderboard_table(board, verdicts, titles, intervals=intervals))
        elif form == "csv":
            tables.append(Table(rows_by_dataset(board, titles)))
        else:
            tables += [dataset_table(board, verdict, titles, intervals=intervals) for verdict in verdicts.values()]
    chosen = Tables(tables)
    return chosen.csv() if form == "csv" else chosen.latex() if form == "latex" else chosen.markdown()


def _check_format(form: str) -> None:
    """Raise UsageError unless there is such a format."""
    if form not in FORMATS:
        from reports import FIGURES

        is_figure = f' It is a figure: --figure {form}, in Python figure="{form}".' if form in FIGURES else ""
        hint = is_figure or did_you_mean(form, list(FORMATS), most=1)
        raise UsageError(f"--format {form!r} is unknown.{hint} Allowed: {', '.join(FORMATS)}.")


def _of_methods(frame: pd.DataFrame, chosen_methods: Sequence[str], kind: str | None) -> pd.DataFrame:
    """The runs of these methods, and of zero-shot where gains are drawn; all without a choice."""
    from bench.analysis import BASELINE

    if not chosen_methods:
        return frame
    methods_here = sorted(set(frame["method"]))
    for name in chosen_methods:
        if name not in methods_here:
            hint = did_you_mean(name, methods_here, most=1)
            raise UsageError(f"-m {name!r} has no runs here.{hint} There are runs of: {', '.join(methods_here)}.")
    drawn = {*chosen_methods, *([BASELINE] if kind in ("map", "difficulty") else ())}
    return frame[frame["method"].isin(drawn)]


def _has_any(board: Leaderboard, chosen_methods: Sequence[str]) -> bool:
    """Whether a board has one of these methods other than zero-shot, which every setting has; all without a choice."""
    from bench.analysis import BASELINE

    trained = [name for name in chosen_methods if name != BASELINE]
    return not trained or any(entry.method in trained for entry in board.entries)


def _ordered(board: Leaderboard, chosen_methods: Sequence[str]) -> Leaderboard:
    """The board with its entries in the order of their methods; zero-shot is last if it was not chosen."""
    places = {name: place for place, name in enumerate(chosen_methods)}
    return replace(board, entries=tuple(sorted(board.entries, key=lambda entry: places.get(entry.method, len(places)))))


def _check_figure(kind: str, path: Path | None, *, force: bool) -> None:
    """Raise UsageError unless such a figure can be written to `path`."""
    from bench.results import check_output_file
    from reports import FIGURE_SUFFIXES, FIGURES

    if kind not in FIGURES:
        hint = did_you_mean(kind, list(FIGURES), most=1)
        raise UsageError(f"--figure {kind!r} is unknown.{hint} Allowed: {', '.join(FIGURES)}.")
    suffixes = ", ".join(FIGURE_SUFFIXES)
    if path is None or not path.suffix:
        raise UsageError(f"--figure {kind} needs a file that ends in one of {suffixes}; name one with --out.")
    check_output_file(path, "--out", force=force, suffixes=FIGURE_SUFFIXES)


def _write_figure(
    kind: str,
    path: Path,
    boards: Sequence[Leaderboard],
    frame: pd.DataFrame,
    store: Store,
    *,
    chosen: bool,
    force: bool,
) -> str:
    """Write a figure and return the line on it; raises UsageError for boards of several settings."""
    from bench.papers import registered
    from bench.results import write_output
    from reports import FigureRequest, figure_file

    settings = [replace(board.setting, shots=0) if kind == "shots" else board.setting for board in boards]
    if len(set(settings)) > 1:
        titles = "; ".join(dict.fromkeys(board.setting.title for board in boards))
        raise UsageError(f"--figure {kind} shows one setting; choose one with --protocol and --shots of: {titles}.")
    datasets = frame["dataset"]
    catalogue = registered().telling_apart(datasets).with_short_titles(datasets)
    by_shots = sorted(boards, key=lambda board: board.setting.shots)
    request = FigureRequest(by_shots, frame, store.difficulty_frame(), catalogue, chosen)
    content, line = figure_file(kind, request, path.suffix.lower())
    write_output(path, content, force=force)
    return f"{path}: {line}"
