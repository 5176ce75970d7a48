"""The function behind `methods check`. It loads torch when a method is checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api import options

if TYPE_CHECKING:
    from bench.extensions.conformance.checks import Result


def check_method(
    name: Annotated[str, options.Arg("A method: its name, or its file, such as ./my_method.py.")],
) -> Iterator[Result]:
    """Test what every method has to guarantee, on a tiny backbone; `etl-bench methods check NAME`.

    In a notebook, importing the module that defines a method registers it.

    Returns:
        The result of each check, one after the other; `pandas.DataFrame` makes a table of them.

    Raises UnknownNameError or UsageError if there is no such method or file, before torch is imported, and
    RegistrationError for a file that cannot be imported.
    """
    from bench.results import add_method_file, known_methods

    if name.endswith(".py"):
        name = add_method_file(Path(name))
    known_methods().get(name)
    from bench.extensions.conformance.checks import run_checks
    from bench.extensions.conformance.subject import Subject
    from methods import get_method

    return run_checks(Subject(get_method(name)))
