"""`etl-bench submit`: prepares a submission of runs to a board."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_line
from bench.cli.submissions import print_report


def submit(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write; its name is the submission's name.")],
    who: Annotated[str, typer.Option("--who", help="Authors or laboratory.")],
    contact: Annotated[str, typer.Option("--contact", help="An e-mail address or an https address.")],
    licence: Annotated[str, typer.Option("--licence", help="Licence of the results (SPDX identifier).")] = "CC-BY-4.0",
    code: Annotated[str, typer.Option("--code", help="URL of the code that made the runs.")] = "",
    notes: Annotated[str, typer.Option("--notes", help="One line for readers.")] = "",
    verify: Annotated[bool, typer.Option("--verify", help="Ask the board to recompute some of the runs.")] = False,
    runs: opt.Runs = opt.DEFAULT_RUNS,
    where: opt.Where = None,
    data_root: opt.DataRoot = None,
) -> None:
    """Prepare a submission to a board: a bundle of runs, cards of their methods, and submission.toml.

    The command then runs the board's checks on the folder. Failed runs are left out. Exit code: 0 it can be submitted,
    1 a board would refuse it.

    Example: etl-bench submit submissions/our-lab --who "Our lab" --contact lab@example.org --verify
    """
    from bench.boards import Checks, DataChecks, build_facts, compare_with_earlier, prepare_submission
    from bench.results import Shards

    facts = build_facts(
        who=who,
        contact=contact,
        licence=licence,
        code=code,
        notes=notes,
        verify=verify,
        submitted=datetime.now(UTC).replace(microsecond=0),
    )
    chosen = opt.chosen_runs(runs, where, completed=True)
    done = prepare_submission(folder, Shards(runs), chosen, facts)
    print_line(f"{counted(done.runs, 'run')}, {done.bytes / 2**20:.1f} MiB in {folder}")
    report = compare_with_earlier(Checks(DataChecks(data_root)).own(folder), ())
    print_report(report)
    raise typer.Exit(0 if report.accepted else 1)
