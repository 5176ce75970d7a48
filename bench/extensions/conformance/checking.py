"""The function behind `methods check`. It loads torch when a method is checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api import options
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.extensions.conformance.checks import Result


def check_method(
    name: Annotated[str, options.Arg("A registered method, of this package or of another one.")],
) -> Iterator[Result]:
    """Test what every method has to guarantee, on a tiny backbone; `etl-bench methods check NAME`.

    In a notebook, importing the module that defines a method registers it.

    Returns:
        The result of each check, one after the other; `pandas.DataFrame` makes a table of them.

    Raises UnknownNameError if there is no such method, or UsageError for a file, before torch is imported.
    """
    from bench.results import known_methods

    if name.endswith(".py") or "/" in name:
        stem = Path(name).stem
        registered = stem in known_methods()
        way = f"write `etl-bench methods check {stem}`" if registered else "`etl-bench methods new NAME` starts one"
        raise UsageError(f"{name!r} is a file, and a check needs the name of a registered method; {way}.")
    known_methods().get(name)
    from bench.extensions.conformance.checks import run_checks
    from bench.extensions.conformance.subject import Subject
    from methods import get_method

    return run_checks(Subject(get_method(name)))
