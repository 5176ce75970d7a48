"""The functions behind `methods check`. They load torch when a method is checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api import options
from bench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


def check_method(name: str) -> pd.DataFrame:
    """Test what every method has to guarantee, on a tiny backbone; `etl-bench methods check NAME`.

    Args:
        name: a registered method. In a notebook, importing the module that defines it registers it.

    Returns:
        One row per check: `check`, `outcome`, `promise`, `message`, and `remedy` where it failed.

    Raises UnknownNameError if there is no such method.
    """
    import pandas as pd

    return pd.DataFrame(list(method_checks(name)))


def method_checks(
    name: Annotated[str, options.Arg("A registered method, of this package or of another one.")],
) -> Iterator[dict[str, object]]:
    """The rows of `check_method`, one after the other.

    Raises UnknownNameError, or UsageError for a file, before torch is imported.
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

    return map(asdict, run_checks(Subject(get_method(name))))
