"""`etl-bench check`: runs the conformance checks and a short trial of one method."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_json, print_line

if TYPE_CHECKING:
    from bench.conformance import Result
    from methods import MethodInfo

TRIAL = "trial"


def check(
    name: Annotated[str, typer.Argument(help="A registered method, of this package or of another one.")],
    with_trial: Annotated[
        bool,
        typer.Option(
            "--trial/--no-trial",
            help="Also train it on three synthetic datasets and compare it with zero-shot; takes 2 minutes.",
        ),
    ] = True,
    cache: opt.Cache = None,
    as_json: opt.AsJson = False,
) -> None:
    """Check a method: about thirty checks on a tiny backbone, then a short trial on synthetic datasets; no download.

    Exit code: 0 all checks passed, 1 some failed (each failure says what to do), 2 unknown method.

    Example: etl-bench check coop
    """
    from bench.results import known_methods

    known_methods().get(name)  # refuses an unknown name without torch
    from bench.conformance import Outcome, Subject, run_checks
    from methods import get_method

    method = get_method(name)
    rows: list[dict[str, object]] = []
    for row in _rows(run_checks(Subject(method)), _trial(method.info, opt.cache_folder(cache)) if with_trial else None):
        rows.append(row)
        if not as_json:
            print_line(_line(row))
    failed = [row for row in rows if row["outcome"] == Outcome.FAILED]
    if as_json:
        print_json({"method": name, "passed": not failed, "checks": rows})
    else:
        print_line(f"{name}: {len(rows) - len(failed)} of {len(rows)} passed or did not apply, {len(failed)} failed")
    raise typer.Exit(1 if failed else 0)


def _rows(results: Iterator[Result], trial: Iterator[dict[str, object]] | None) -> Iterator[dict[str, object]]:
    from bench.conformance import Outcome

    runs = True
    for result in results:
        runs = runs and not (result.outcome is Outcome.FAILED and result.check.essential)
        yield dict(result.row())
    if runs and trial is not None:
        yield from trial


def _trial(info: MethodInfo, cache_dir: Path) -> Iterator[dict[str, object]]:
    """The trial as one row with its numbers."""
    from bench.conformance import LIMIT_SECONDS, TrialRow, TrialTimeoutError, trial, verdict
    from bench.context import RunContext
    from bench.sweep import exported_threads

    rows: list[TrialRow] = []
    try:
        rows += trial(info, RunContext(cache_dir=cache_dir, threads=exported_threads() or 1))
        wrong = verdict(rows)
    except TrialTimeoutError as error:
        wrong = str(error)
    except Exception as error:  # a third-party method may raise anything
        wrong = f"{type(error).__name__}: {' '.join(str(error).split())}"
    numbers = "; ".join(
        f"{row.dataset} {row.classes} {100 * row.accuracy:.1f} (zero-shot {100 * row.zero_shot:.1f})" for row in rows
    )
    yield {
        "check": TRIAL,
        "outcome": "FAIL" if wrong else "pass",
        "promise": f"It trains on three synthetic datasets within {LIMIT_SECONDS:.0f} seconds, beside zero-shot.",
        "message": "; ".join(part for part in (wrong, numbers) if part),
        "remedy": f"Reproduce it with `etl-bench run -m {info.name},zero_shot -d spectrum_basic --recipe demo`."
        if wrong
        else "",
        "rows": [vars(row) for row in rows],
    }


def _line(row: dict[str, object]) -> str:
    aside = f" [{row['message']}]" if row["message"] else ""
    text = row["message"] if row["outcome"] == "FAIL" else f"{row['promise']}{aside}"
    line = f"{row['outcome']}  {row['check']}: {text}"
    return f"{line}\n      to do: {row['remedy']}" if row["remedy"] else line
