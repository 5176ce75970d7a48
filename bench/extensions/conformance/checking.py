"""The functions behind `methods check` and `methods new`. They load torch when a method is checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api import options
from bench.errors import UsageError
from bench.sweep import cache_folder, parse_choice

if TYPE_CHECKING:
    import pandas as pd

    from bench.extensions.conformance.new_method import Scaffold
    from methods import MethodInfo

TRIAL = "trial"
"""Name of the row of the short trial."""


def new_method(
    name: Annotated[str, options.Arg("Name of the method: lower-case letters, digits and underscores.")],
    family: Annotated[
        str, options.Opt("What it learns: 'text prompt', 'cache', 'classifier', ...; see `methods`.")
    ] = "feature adapter",
    folder: Path | None = None,
) -> Scaffold:
    """Start a method: in a checkout its file, test and changelog line, elsewhere a separate package.

    Raises UsageError for an unknown family, and RegistrationError for a malformed or taken name.
    """
    from bench.extensions.conformance.new_method import scaffold
    from methods import Family

    return scaffold(name, parse_choice(Family, family, "--family"), folder or Path.cwd())


def check_method(name: str) -> pd.DataFrame:
    """Test what every method has to guarantee, on a tiny backbone; `etl-bench methods check NAME --no-trial`.

    Args:
        name: a registered method. In a notebook, importing the module that defines it registers it.

    Returns:
        One row per check: `check`, `outcome`, `promise`, `message`, and `remedy` where it failed.

    Raises UnknownNameError if there is no such method.
    """
    import pandas as pd

    return pd.DataFrame(list(method_checks(name, trial=False)))


def method_checks(
    name: Annotated[str, options.Arg("A registered method, of this package or of another one.")],
    *,
    trial: Annotated[
        bool,
        options.Opt(
            "Also train it on three synthetic datasets and compare it with zero-shot; takes 2 minutes.",
            "--trial/--no-trial",
        ),
    ] = True,
    cache: options.Cache = None,
) -> Iterator[dict[str, object]]:
    """The rows of `check_method`, one after the other, and at the end that of a short trial on synthetic datasets.

    There is no trial after a failed check without which it makes no sense, nor for a method that needs a teacher.
    Raises UnknownNameError, or UsageError for a file, before torch is imported.
    """
    from bench.results import known_methods

    if name.endswith(".py") or "/" in name:
        stem = Path(name).stem
        registered = stem in known_methods()
        way = f"write `etl-bench methods check {stem}`" if registered else "`etl-bench methods new NAME` starts one"
        raise UsageError(f"{name!r} is a file, and a check needs the name of a registered method; {way}.")
    known_methods().get(name)
    return _checks(name, trial=trial, cache=cache)


def _checks(name: str, *, trial: bool, cache: Path | None) -> Iterator[dict[str, object]]:
    from bench.extensions.conformance.all_checks import run_checks
    from bench.extensions.conformance.check import CheckOutcome
    from bench.extensions.conformance.subject import Subject
    from methods import get_method

    method, runs = get_method(name), True
    for result in run_checks(Subject(method)):
        runs = runs and not (result.outcome is CheckOutcome.FAILED and result.check.essential)
        yield dict(result.row())
    if runs and trial and not method.info.needs_teacher:
        yield _trial(method.info, cache_folder(cache))


def _trial(info: MethodInfo, cache_dir: Path) -> dict[str, object]:
    """The trial as one row with its numbers."""
    from bench.context import RunContext
    from bench.extensions.conformance.short_trial import LIMIT_SECONDS, TrialRow, TrialTimeoutError, trial, verdict
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
    command = f"`etl-bench run -m {info.name},zero_shot -d spectrum_basic --recipe demo`"
    return {
        "check": TRIAL,
        "outcome": "FAIL" if wrong else "pass",
        "promise": f"It trains on three synthetic datasets within {LIMIT_SECONDS:.0f} seconds, beside zero-shot.",
        "message": "; ".join(part for part in (wrong, numbers) if part),
        "remedy": f"Reproduce it with {command}." if wrong else "",
        "rows": [vars(row) for row in rows],
    }
