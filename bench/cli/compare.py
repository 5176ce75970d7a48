"""`etl-bench compare`: two methods on the same images with the same seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import _options as opt

if TYPE_CHECKING:
    from bench.analysis.comparison import Comparison, PairedCell
    from bench.analysis.leaderboard import Leaderboard
    from bench.statistics import MeanTest


def compare(
    a: Annotated[str, typer.Argument(help="A method, or an entry as the leaderboard names it: 'coop [n_ctx=4]'.")],
    b: Annotated[str, typer.Argument(help="The other one.")],
    runs: opt.Runs = opt.DEFAULT_RUNS,
    protocol: Annotated[str | None, typer.Option("--protocol", help="Only this protocol.")] = None,
    shots: Annotated[str | None, typer.Option("--shots", help="Only these shots, such as 16 or 1,4,16.")] = None,
    backbone: Annotated[str | None, typer.Option("--backbone", help="Only this backbone, as arch.tag.")] = None,
    images: Annotated[bool, typer.Option("--images", help="List the flipped images.")] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Compare two methods: difference per dataset in percentage points with its 95 % interval, and flipped images.

    Intervals resample test images and seeds together; with one seed they speak of the images alone. p values are exact
    McNemar tests within a seed, adjusted (Holm) for all tests of the table. The average is tested over datasets with
    the spread between seeds.

    Example: etl-bench compare apex coop --shots 16
    """
    from bench.analysis.comparison import compare as compare_entries
    from bench.analysis.comparison import find_entry
    from bench.analysis.leaderboard import leaderboard, settings
    from bench.cli._print import print_json, print_line, print_rows, remark
    from bench.errors import UsageError
    from bench.store import fresh_store

    counts = None if shots is None else opt.parse_numbers(shots, "--shots")
    store = fresh_store(runs)
    frame = store.runs_frame()
    boards = [
        leaderboard(frame, setting)
        for setting in settings(frame)
        if (protocol is None or setting.protocol == protocol)
        and (counts is None or setting.shots in counts)
        and (backbone is None or setting.backbone == backbone)
    ]
    both = [board for board in boards if _has(board, a) and _has(board, b)]
    if not both:
        there = "; ".join(f"{_title(board)}: {', '.join(entry.key for entry in board.entries)}" for board in boards)
        raise UsageError(f"No board in {runs} has both {a!r} and {b!r}. There are: {there or 'no runs that fit'}.")
    answers = []
    for board in both:
        wanted = [*find_entry(board, a).run_ids, *find_entry(board, b).run_ids]
        answers.append((board, compare_entries(board, frame, store.outcomes_frame(wanted), a, b)))
    if as_json:
        print_json([_plain(board, found) for board, found in answers])
        return
    for board, found in answers:
        print_line(f"{_title(board)}: {found.a} (A) against {found.b} (B), percentage points")
        rows = [_row(cell) for cell in found.cells]
        rows += [_average(board, measure, test) for measure, test in found.averages.items()]
        if rows:
            print_rows(rows, list(rows[0]), as_json=False)
        if images:
            for cell in found.cells:
                for seed in cell.seeds:
                    for who, names in (("A", seed.only_a), ("B", seed.only_b)):
                        for name in names:
                            print_line(f"only {who} is right: {cell.dataset} {cell.split} seed {seed.seed} {name}")
        for dataset, reason in found.skipped:
            remark(f"not compared: {dataset}: {reason}")


def _has(board: Leaderboard, name: str) -> bool:
    return any(name in (entry.key, entry.method) for entry in board.entries)


def _title(board: Leaderboard) -> str:
    setting = board.setting
    return f"{setting.backbone}, {setting.protocol}, {setting.shots} shots"


def _row(cell: PairedCell) -> dict[str, object]:
    only_a, only_b = cell.flipped
    interval = cell.difference
    reach = f"{100 * interval.low:+.2f} to {100 * interval.high:+.2f}"
    return {
        "dataset": cell.dataset,
        "split": cell.split,
        "A": f"{100 * cell.accuracy_a:.2f}",
        "B": f"{100 * cell.accuracy_b:.2f}",
        "A - B": f"{100 * interval.mean:+.2f}",
        "95 %": reach if interval.n_seeds > 1 else f"{reach} (images alone)",
        "verdict": "inconclusive" if not interval.excludes() else "A" if interval.mean > 0 else "B",
        "only A right": only_a,
        "only B right": only_b,
        "seeds": len(cell.seeds),
        "McNemar p, Holm": ", ".join(f"{seed.p_holm:.2g}" for seed in cell.seeds),
    }


def _average(board: Leaderboard, measure: str, test: MeanTest) -> dict[str, object]:
    """The row of an average, with the n of N datasets and pairs of runs that it is over."""
    known = test.low is not None and test.high is not None
    return {
        "dataset": f"average of {test.groups} of {len(board.averaged)}",
        "split": measure,
        "A - B": f"{100 * test.mean:+.2f}",
        "95 %": f"{100 * (test.low or 0):+.2f} to {100 * (test.high or 0):+.2f}" if known else "needs two seeds",
        "verdict": "inconclusive" if test.p is None or test.p > 0.05 else "A" if test.mean > 0 else "B",
        "seeds": f"{test.n} of {len(board.averaged) * len(board.seeds)} runs",
    }


def _plain(board: Leaderboard, found: Comparison) -> dict[str, object]:
    return {
        "setting": vars(board.setting),
        "a": found.a,
        "b": found.b,
        "cells": [
            {
                "dataset": cell.dataset,
                "split": cell.split,
                "accuracy_a": cell.accuracy_a,
                "accuracy_b": cell.accuracy_b,
                "difference": vars(cell.difference),
                "seeds": [
                    {
                        "seed": seed.seed,
                        "run_a": seed.run_a,
                        "run_b": seed.run_b,
                        "p": seed.test.p,
                        "p_holm": seed.p_holm,
                        "only_a": seed.only_a,
                        "only_b": seed.only_b,
                    }
                    for seed in cell.seeds
                ],
            }
            for cell in found.cells
        ],
        "expected_datasets": len(board.averaged),
        "expected_runs": len(board.averaged) * len(board.seeds),
        "averages": {measure: vars(test) for measure, test in found.averages.items()},
        "skipped": [{"dataset": dataset, "reason": reason} for dataset, reason in found.skipped],
    }
