"""The commands `methods check` and `methods new`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from bench.cli import AsJson, options_of, print_json, print_line
from bench.extensions.conformance.checking import check_method
from bench.extensions.conformance.new_method import scaffold

if TYPE_CHECKING:
    from bench.extensions.conformance.checks import Result


@options_of(scaffold)
def new_command(name: str, **options: Any) -> None:
    """Start a method: write NAME.py into the current folder.

    The generated method works as it is. The places to edit are marked EDIT; `etl-bench methods check` names those that
    are left in its facts.

    Example: etl-bench methods new my_method
    """
    file = scaffold(name, **options).name
    print_line(file)
    print_line(f"next: edit the places marked EDIT, then run `etl-bench methods check ./{file}`")


@options_of(check_method)
def check_command(name: str, as_json: AsJson = False, **options: Any) -> None:
    """Check a method: twelve properties on a tiny backbone, without a download.

    Exit code: 0 all checks passed, 1 some failed (each failure says what to do), 2 unknown method.

    Example: etl-bench methods check ./my_method.py
    """
    results: list[Result] = []
    for result in check_method(name, **options):
        results.append(result)
        if not as_json:
            aside = f" [{result.message}]" if result.message else ""
            text = result.message if result.outcome == "FAIL" else f"{result.promise}{aside}"
            todo = f"\n      to do: {result.remedy}" if result.remedy else ""
            print_line(f"{result.outcome}  {result.check}: {text}{todo}")
    n_failed, n = sum(result.outcome == "FAIL" for result in results), len(results)
    if as_json:
        print_json({"method": name, "passed": not n_failed, "checks": list(map(asdict, results))})
    else:
        print_line(f"{name}: {n - n_failed} of {n} passed or did not apply, {n_failed} failed")
    raise typer.Exit(1 if n_failed else 0)
