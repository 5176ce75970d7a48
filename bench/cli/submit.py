"""`etl-bench submit`: prepares the submission of runs to a board."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bench._util.counted import counted
from bench.cli import _options as opt
from bench.cli._print import print_line
from bench.cli.submissions import print_report
from bench.errors import BundleError


def submit(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write; its name names the submission.")],
    who: Annotated[str, typer.Option("--who", help="Authors or laboratory.")],
    contact: Annotated[str, typer.Option("--contact", help="An e-mail address or an https address.")],
    licence: Annotated[str, typer.Option("--licence", help="Of the results, as an SPDX identifier.")] = "CC-BY-4.0",
    code: Annotated[str, typer.Option("--code", help="Address of the code that made the runs.")] = "",
    notes: Annotated[str, typer.Option("--notes", help="What a reader should know, one line.")] = "",
    verify: Annotated[bool, typer.Option("--verify", help="Ask the board to recompute some of the runs.")] = False,
    runs: opt.Runs = opt.DEFAULT_RUNS,
    where: Annotated[
        str | None, typer.Option("--where", help="Only runs that satisfy this SQL condition: \"method = 'coop'\".")
    ] = None,
    data_root: opt.DataRoot = None,
) -> None:
    """Prepare a submission to a board: a bundle of runs, cards of their methods, and submission.toml.

    The folder is then checked as the board's maintainers check it. Failed runs are left out. Exit code: 0 it can be
    sent, 1 a board would refuse it.

    Example: etl-bench submit submissions/our-lab --who "Our lab" --contact lab@example.org --verify
    """
    from bench.results.shards import Shards
    from bench.store import fresh_store
    from bench.submissions.check import Checks, compare_with_earlier
    from bench.submissions.data_checks import DataChecks
    from bench.submissions.facts import build_facts
    from bench.submissions.prepare import prepare_submission

    facts = build_facts(
        who=who,
        contact=contact,
        licence=licence,
        code=code,
        notes=notes,
        verify=verify,
        submitted=datetime.now(UTC).replace(microsecond=0),
    )
    condition = "true" if where is None else where
    query = f"SELECT run_id FROM runs WHERE status = 'ok' AND ({condition}) ORDER BY run_id"
    chosen = fresh_store(runs).query(query)["run_id"].tolist()
    if not chosen:
        raise BundleError(f"No completed run in {runs} fits{'' if where is None else f' {where!r}'}; nothing written.")
    done = prepare_submission(folder, Shards(runs), chosen, facts)
    print_line(f"{counted(done.runs, 'run')}, {done.bytes / 2**20:.1f} MiB in {folder}")
    report = compare_with_earlier(Checks(DataChecks(data_root)).own(folder), ())
    print_report(report)
    raise typer.Exit(0 if report.accepted else 1)
