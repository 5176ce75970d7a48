"""Selects the runs that count: one for each cell of an entry, with the newest test lists and tasks."""

from collections.abc import Mapping, Sequence

from bench.analysis.leaderboard.board import Setting
from bench.analysis.leaderboard.runs import Run, kind_of_draw
from reports.views import ExcludedRunView


def select_runs(
    runs: Sequence[Run], setting: Setting, labels: Mapping[tuple[str, str, str], str]
) -> tuple[list[Run], list[ExcludedRunView]]:
    """Keep the newest test lists per dataset, the newest task per dataset and seed, and one run of it per entry."""
    reasons: dict[tuple[str, str], str] = {}
    scored = sorted((run for run in runs if run.error is None), key=lambda run: run.age, reverse=True)

    newest_size: dict[tuple[str, str], tuple[int, int]] = {}
    for run in scored:
        for split, size in run.sizes.items():
            newest_size.setdefault((run.dataset, split), size)
    for run in scored:
        for split, size in run.sizes.items():
            newest = newest_size[run.dataset, split]
            if size != newest:
                reasons[run.key] = (
                    f"scored on {size[0]} test images of {size[1]} {split} classes; "
                    f"the newest runs have {newest[0]} of {newest[1]}"
                )

    newest_task: dict[tuple[str, int, int, bool], str] = {}
    for run in scored:
        if run.key not in reasons:
            newest_task.setdefault((run.dataset, run.shots, run.seed, run.held_out), run.fingerprint)
    for run in scored:
        newest_print = newest_task.get((run.dataset, run.shots, run.seed, run.held_out), run.fingerprint)
        if run.key not in reasons and run.fingerprint != newest_print and run.shots > 0:
            reasons[run.key] = f"made on task {run.fingerprint[:8]}, the newest runs on {newest_print[:8]}"

    taken: dict[tuple[tuple[str, str, str], str, int], str] = {}
    # the sort is stable: newest first within a draw
    for run in sorted(scored, key=lambda run: kind_of_draw(run.draw) != setting.draw):
        if run.key not in reasons:
            cell = (run.identity, run.dataset, run.seed if run.seeded else 0)
            if taken.setdefault(cell, run.run_id) != run.run_id:
                reasons[run.key] = f"repeats run {taken[cell]}"

    excluded = [
        ExcludedRunView(run.run_id, labels[run.identity], run.dataset, run.seed, reasons[run.key])
        for run in runs
        if run.key in reasons
    ]
    return [run for run in runs if run.key not in reasons], excluded
