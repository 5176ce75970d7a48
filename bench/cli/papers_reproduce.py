"""`etl-bench papers reproduce`: a paper's tables and figures from our runs, beside the printed numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from bench.api import list_experiments, reproduce_paper
from bench.cli import _options as opt
from bench.cli._options_of import options_of
from bench.cli._print import print_json, print_line, print_table, remark
from bench.cli._request_options import takes_execution

if TYPE_CHECKING:
    from bench.api import ReproducedExperiment

_MEASURES = {
    "all": "accuracies in %",
    "base": "accuracies on base classes in %",
    "new": "accuracies on new classes in %",
}
"""The measure of a table that has no other, by its name in tables of several."""


@takes_execution
@options_of(reproduce_paper)
def reproduce_command(
    context: typer.Context,  # noqa: ARG001  the wrapper reads which options were given
    paper: str,
    what: str | None = None,
    *,
    given: dict[str, Any],
    environment: dict[str, Any],
    on: str | None,
    as_json: opt.AsJson = False,
    **options: Any,
) -> None:
    """Run what a paper's table or figure lacks, then print ours beside the printed numbers.

    Without WHAT it lists the tables and figures: runs needed and done, GPU hours, and what is missing with the command
    that fetches it. Finished runs are skipped, so a repeated command goes on. What lacks its
    data or weights is left out, and the rest runs. Verdicts: yes (reproduced within one point), NO, open (more seeds
    are needed). Exit code: 0 all done, 1 a run failed, 3 something was left out.

    Example: etl-bench papers reproduce apex

    Example: etl-bench papers reproduce apex table-2 --on synthetic

    Example: etl-bench papers reproduce apex table-2 --data-root data --device cuda --seeds 3
    """
    settings = environment | given
    runs = settings.pop("runs", None)
    if what is None:
        changes = {name: options[name] for name in ("methods", "datasets", "seeds") if name in options}
        listing = list_experiments(paper, on=on, runs=runs, data_root=settings.get("data_root"), **changes)
        print_table(listing, as_json=as_json)
        return
    experiments = reproduce_paper(paper, what, on=on, runs=runs, **options, **settings)
    if as_json:
        print_json([vars(experiment) for experiment in experiments])
    else:
        for experiment in experiments:
            _print_reproduced(experiment)
    if any(experiment.interrupted for experiment in experiments):
        remark("Interrupted: the tables have only finished runs. Repeat the command to go on.")
    raise typer.Exit(max(experiment.exit_code for experiment in experiments))


def _print_reproduced(experiment: ReproducedExperiment) -> None:
    print_line(f"\n{experiment.name}: {experiment.title}")
    if experiment.rows:
        print_table(experiment.table())
        remark(_legend(experiment))
    if experiment.verdicts:
        print_line(", ".join(f"{count} {verdict}" for verdict, count in experiment.verdicts.items()))
    for note in experiment.notes:
        remark(note)
    for text in experiment.left_out:
        remark(f"left out: {text}")


def _legend(experiment: ReproducedExperiment) -> str:
    cells = [cell for row in experiment.rows for cell in row.cells.values()]
    has_ours, printed = any(cell.ours is not None for cell in cells), any(cell.printed for cell in cells)
    what = "Ours with 95 % intervals" if any(cell.reach for cell in cells) else "Ours"
    if not has_ours:
        what = "Printed numbers; no run here"
    elif printed:
        what = (
            "Ours with its 95 % interval; below it the printed number, and yes (reproduced within one point), NO, or "
            "open (more seeds are needed)"
        )
    both = ", among ours and among the printed numbers" if has_ours and printed else ""
    best = f" * is the highest on a dataset without oracles{both}."
    marked = any("*" in str(text) for row in experiment.table().rows for text in row.values())
    splits = {split for row in experiment.rows for split in row.cells}
    only = (
        f"All are {_MEASURES.get(name, name.replace('_', ' '))}. " if len(splits) == 1 and (name := min(splits)) else ""
    )
    return f"{only}{what}.{best if marked else ''}"
