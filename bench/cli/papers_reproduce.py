"""`etl-bench papers reproduce`: a paper's tables and figures from our runs, beside the printed numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import _options as opt
from bench.cli._print import print_json, print_line, print_rows, remark
from bench.cli._request_options import takes_execution

if TYPE_CHECKING:
    from bench.api import ListedExperiment, PaperListing, ReproducedExperiment


@takes_execution
def reproduce_command(
    context: typer.Context,  # noqa: ARG001  the wrapper reads which options were given
    paper: Annotated[
        str | None, typer.Argument(metavar="[PAPER]", help="Name of a shipped paper, or a file. Default: list them.")
    ] = None,
    what: Annotated[
        str | None,
        typer.Argument(metavar="[WHAT]", help="table-2, figure-8, ... or all. Default: list them with their cost."),
    ] = None,
    *,
    given: dict[str, Any],
    environment: dict[str, Any],
    on: Annotated[
        str | None, typer.Option("--on", help="synthetic: the included suite and backbone, in minutes, without data.")
    ] = None,
    methods: Annotated[list[str] | None, typer.Option("-m", "--methods", help="Only these of the paper.")] = None,
    datasets: Annotated[list[str] | None, typer.Option("-d", "--datasets", help="Only these of the paper.")] = None,
    seeds: Annotated[str | None, typer.Option("--seeds", help="In place of the paper's, such as 3 or 1,2.")] = None,
    figures_dir: Annotated[Path, typer.Option("--figures-dir", help="Folder of the drawn figures.")] = Path("figures"),
    force: opt.Force = False,
    log: Annotated[str, typer.Option("--log", help="Progress, as of `run`.")] = "auto",
    as_json: opt.AsJson = False,
) -> None:
    """Run what a paper's table or figure lacks, then print ours beside the printed numbers and draw its figures.

    Without WHAT it lists the tables and figures: runs needed and done, estimated GPU hours and disk, and what is
    missing with the command that fetches it. Finished runs are skipped, so a repeated command goes on. What lacks its
    data or weights is left out, and the rest runs. Verdicts: yes (reproduced within one point), NO, open (more seeds
    are needed). Exit code: 0 all done, 1 a run failed, 3 something was left out.

    Example: etl-bench papers reproduce apex

    Example: etl-bench papers reproduce apex table-2 --on synthetic

    Example: etl-bench papers reproduce apex table-2 --data-root data --device cuda --seeds 3
    """
    if paper is None:
        from bench.api import list_papers

        print_rows(list_papers(), as_json=as_json)
        return
    changes: dict[str, Any] = {"methods": opt.split_list(methods or []), "datasets": opt.split_list(datasets or [])}
    changes["seeds"] = seeds
    options = environment | given
    runs = options.pop("runs", Path("runs"))
    if what is None:
        from bench.api import list_experiments

        listing = list_experiments(paper, on=on, runs=runs, data_root=options.get("data_root"), **changes)
        _print_listing(listing, on, as_json=as_json)
        return
    from bench.api import open_progress, reproduce_paper

    found = reproduce_paper(
        paper,
        what,
        on=on,
        runs=runs,
        figures=figures_dir,
        progress=open_progress(log),
        force=force,
        **changes,
        **options,
    )
    if as_json:
        print_json([vars(one) for one in found])
    else:
        for one in found:
            _print_reproduced(one)
    raise typer.Exit(max(one.exit_code for one in found))


def _print_listing(listing: PaperListing, on: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json(listing)
        return
    print_line(f"{listing.title} ({listing.address})")
    unit = "hours of two cores" if on else "GPU hours"
    print_rows([_listed(one, unit) for one in (*listing.experiments, listing.total)])
    for note in listing.notes:
        remark(note)


def _listed(one: ListedExperiment, unit: str) -> dict[str, object]:
    missing = f"{', '.join(one.missing[:2])}{f' and {len(one.missing) - 2} more' if len(one.missing) > 2 else ''}"
    return {
        "what": one.name,
        "title": one.title,
        "runs": one.runs,
        "done": one.done,
        f"{unit} (estimate)": f"{one.hours:.3g}",
        "disk (estimate)": f"{one.bytes / 1e9:.2g} GB",
        "missing": missing or None,
    }


def _print_reproduced(one: ReproducedExperiment) -> None:
    print_line(f"\n{one.name}: {one.title}")
    if one.rows:
        print_rows(one.texts())
    if one.verdicts:
        print_line(", ".join(f"{count} {verdict}" for verdict, count in one.verdicts.items()))
    for file in one.files:
        if file.suffix == ".svg":
            print_line(f"drawn: {file}")
    for note in (*one.notes, *(f"left out: {text}" for text in one.left_out)):
        remark(note)
