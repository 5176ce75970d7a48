"""The commands `methods check` and `methods new`."""

from pathlib import Path
from typing import Any

import typer

from bench.cli import AsJson, options_of, print_json, print_line
from bench.extensions.conformance.checking import method_checks
from bench.extensions.conformance.new_method import scaffold


@options_of(scaffold)
def new_command(name: str, **options: Any) -> None:
    """Start a method: in a checkout its file and test, elsewhere a separate package.

    The generated method works as it is. The places to edit are marked EDIT; `etl-bench methods check NAME` names those
    that are left in its facts.
    """
    files, package = scaffold(name, **options)
    for path in files:
        print_line(str(path.relative_to(Path.cwd())))
    if package is not None:
        print_line(f"next: pip install --editable {package.relative_to(Path.cwd())}")
    print_line(f"next: edit the places marked EDIT, then run `etl-bench methods check {name}`")


@options_of(method_checks)
def check_command(name: str, as_json: AsJson = False, **options: Any) -> None:
    """Check a method: twelve properties on a tiny backbone, without a download.

    Exit code: 0 all checks passed, 1 some failed (each failure says what to do), 2 unknown method.

    Example: etl-bench methods check coop
    """
    rows: list[dict[str, object]] = []
    for row in method_checks(name, **options):
        rows.append(row)
        if not as_json:
            aside = f" [{row['message']}]" if row["message"] else ""
            text = row["message"] if row["outcome"] == "FAIL" else f"{row['promise']}{aside}"
            todo = f"\n      to do: {row['remedy']}" if row["remedy"] else ""
            print_line(f"{row['outcome']}  {row['check']}: {text}{todo}")
    failed = [row for row in rows if row["outcome"] == "FAIL"]
    if as_json:
        print_json({"method": name, "passed": not failed, "checks": rows})
    else:
        print_line(f"{name}: {len(rows) - len(failed)} of {len(rows)} passed or did not apply, {len(failed)} failed")
    raise typer.Exit(1 if failed else 0)
