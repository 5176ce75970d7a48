"""The conformance checks of a method, from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def check_method(name: str) -> pd.DataFrame:
    """Test what every method has to guarantee, on a tiny backbone; `etl-bench check NAME --no-trial`.

    Args:
        name: a registered method. In a notebook, importing the module that defines it registers it.

    Returns:
        One row per check: `check`, `outcome`, `promise`, `message`, and `remedy` where it failed.

    Raises UnknownNameError if there is no such method.
    """
    import pandas as pd

    from bench.conformance import Subject, run_checks
    from methods import get_method

    return pd.DataFrame([result.row() for result in run_checks(Subject(get_method(name)))])
