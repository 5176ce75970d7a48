"""`etl-bench leaderboard`: who did how well, in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import _options as opt

if TYPE_CHECKING:
    from bench.analysis.leaderboard import Entry, Leaderboard
    from bench.statistics import Estimate

INCOMPLETE = 3
"""Exit code of `--strict`."""


def leaderboard(
    runs: opt.Runs = opt.DEFAULT_RUNS,
    protocol: Annotated[str | None, typer.Option("--protocol", help="Only this protocol.")] = None,
    shots: Annotated[str | None, typer.Option("--shots", help="Only these shots, such as 16 or 1,4,16.")] = None,
    convention: Annotated[
        str, typer.Option("--h", help="H of average rows: h_of_means (CoOp's tables) or mean_of_h (APEX's).")
    ] = "h_of_means",
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 3 if an average is over fewer runs than its board has.")
    ] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Print one table per backbone, protocol and shots: averages over datasets in percent, with 95 % intervals.

    Rows are ordered by mean; differences inside the intervals are not separable. An incomplete row has no position, is
    marked with an asterisk, and is named on standard error.
    """
    from bench.analysis.leaderboard import HConvention, settings
    from bench.analysis.leaderboard import leaderboard as make_board
    from bench.cli._print import print_json, print_line, print_rows, remark
    from bench.errors import UsageError
    from bench.store import fresh_store
    from datasets_registry import EvalProtocol

    how = opt.parse_choice(HConvention, convention, "--h")
    chosen = None if protocol is None else str(opt.parse_choice(EvalProtocol, protocol, "--protocol"))
    counts = None if shots is None else opt.parse_numbers(shots, "--shots")
    frame = fresh_store(runs).runs_frame()
    wanted = [
        setting
        for setting in settings(frame)
        if (chosen is None or setting.protocol == chosen) and (counts is None or setting.shots in counts)
    ]
    if not wanted:
        there = sorted({f"{setting.protocol} with {setting.shots} shots" for setting in settings(frame)})
        raise UsageError(
            f"No runs to show in {runs}. It holds: {', '.join(there) or 'nothing yet; see etl-bench run'}."
        )
    boards = [make_board(frame, setting, convention=how) for setting in wanted]
    if as_json:
        print_json([_plain(board) for board in boards])
    else:
        for board in boards:
            print_line(_title(board))
            rows = [_row(board, entry) for entry in board.entries]
            print_rows(rows, list(rows[0]), as_json=False)
    for board in boards:
        for entry in board.entries:
            if not entry.complete:
                failed = sum(cell.error is not None for cell in entry.missing)
                note = f"incomplete: {entry.key}, {_title(board)}: {entry.n} of {entry.expected} cells, {failed} failed"
                remark(note)
            if entry.oracle:
                remark(f"oracle: {entry.key}, {_title(board)}: {_gap(entry)}; not ranked")
        for aside in board.excluded:
            remark(
                f"not counted: run {aside.run_id} ({aside.entry}, {aside.dataset}, seed {aside.seed}): {aside.reason}"
            )
    if strict and not all(board.complete for board in boards):
        raise typer.Exit(INCOMPLETE)


def _title(board: Leaderboard) -> str:
    setting = board.setting
    source = f" from {setting.source}" if setting.source else ""
    over = f"{len(board.averaged)} {'targets' if setting.source else 'datasets'}"
    return f"{setting.backbone}, {setting.protocol}{source}, {setting.shots} shots, {over}"


def _gap(entry: Entry) -> str:
    gaps = ", ".join(f"{split} {100 * value:+.2f}" for split, value in entry.optimism.items())
    return f"test labels chose, points above the same runs without: {gaps or 'not recorded'}"


def _row(board: Leaderboard, entry: Entry) -> dict[str, object]:
    row: dict[str, object] = {"#": entry.rank if entry.rank is not None else "", "method": entry.key}
    if board.setting.source:
        for dataset in (board.setting.source, *board.averaged):
            cell = entry.cells.get(dataset)
            title = f"{dataset} (source)" if dataset == board.setting.source else dataset
            row[title] = _percent(cell.scores["all"] if cell else None)
    for measure in board.measures:
        name = f"H ({board.convention})" if measure == "H" else measure
        if board.setting.source:
            name = "average of targets"
        row[name] = _percent(entry.average(measure, board.convention))
    row["n/N"] = f"{entry.n}/{entry.expected}{'' if entry.complete else ' *'}"
    row["parameters"] = entry.cost.parameters_high if entry.cost else "–"
    row["train s"] = f"{entry.cost.train_seconds:.1f}" if entry.cost else "–"
    return row


def _percent(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    interval = "" if estimate.half_width is None else f" ± {100 * estimate.half_width:.2f}"
    return f"{100 * estimate.mean:.2f}{interval}"


def _plain(board: Leaderboard) -> dict[str, object]:
    return {
        "setting": vars(board.setting),
        "h_convention": str(board.convention),
        "datasets": list(board.datasets),
        "averaged": list(board.averaged),
        "seeds": list(board.seeds),
        "complete": board.complete,
        "rows": board.rows(),
        "missing": [vars(cell) for cell in board.missing],
        "set_aside": [vars(aside) for aside in board.excluded],
    }
