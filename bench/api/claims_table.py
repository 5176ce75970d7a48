"""Tested claims as a table: for terminals, notebooks, JSON and pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench._util.words import counted, html_table

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis import MeanTest
    from bench.papers import ClaimResult


class ClaimsTable:
    """Claims with their verdicts on runs. A notebook shows them as a table.

    `results` has the numbers: fractions with n, interval and p.
    """

    def __init__(self, results: Sequence[ClaimResult]) -> None:
        self.results = tuple(results)

    def rows(self) -> list[dict[str, object]]:
        """One row per claim and board, effects in percentage points as they are printed."""
        return [_row(found) for found in self.results]

    def to_frame(self) -> pd.DataFrame:
        """The rows, as pandas."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def _repr_html_(self) -> str:
        return html_table("Claims, tested on these runs; effects in percentage points", self.rows())

    def __str__(self) -> str:
        return self.to_frame().to_string(index=False)

    __repr__ = __str__


def _row(found: ClaimResult) -> dict[str, object]:
    test, setting = found.test, found.setting
    return {
        "claim": f"{found.claim.id}: {found.claim.sentence}",
        "setting": f"{setting.backbone}, {setting.shots_text}" if setting else "",
        "verdict": str(found.verdict),
        "effect": f"{100 * test.mean:+.2f}" if test else "",
        "95 %": _interval(test) if test else "",
        "n": f"{test.n} over {counted(test.groups, 'dataset')}" if test else "",
        "p": f"{found.p:.2g}" if found.p is not None else "",
        "missing": found.reason,
    }


def _interval(test: MeanTest) -> str:
    return "" if test.low is None or test.high is None else f"{100 * test.low:+.2f} to {100 * test.high:+.2f}"
