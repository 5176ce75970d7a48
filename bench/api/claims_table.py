"""Tested claims as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.api.result_table import ResultTable, TablePart
from bench.spec import DEMO_RECIPE

if TYPE_CHECKING:
    from bench.analysis import Leaderboard
    from bench.papers import ClaimResult


def claims_table(results: Sequence[ClaimResult], boards: Sequence[Leaderboard]) -> ResultTable[ClaimResult]:
    """One row per claim and board with its verdict; effects in percentage points.

    `source` has the numbers: fractions with n, interval and p. A note says if a method of the boards had a short
    training (recipe demo).
    """
    from bench.papers import DEMO_CAVEAT

    title = "Claims, tested on these runs; effects in percentage points"
    part = TablePart(title, [_row(found) for found in results])
    demo = any(entry.recipe_name == DEMO_RECIPE for board in boards for entry in board.entries)
    return ResultTable(
        results, [part], notes=[DEMO_CAVEAT] if demo else [], json=lambda: [asdict(found) for found in results]
    )


def _row(found: ClaimResult) -> dict[str, object]:
    from bench.analysis import score_texts

    test, setting = found.test, found.setting
    return {
        "claim": f"{found.claim.id}: {found.claim.sentence}",
        "setting": f"{setting.backbone}, {setting.shots_text}" if setting else "",
        "verdict": str(found.verdict),
        "effect": score_texts.points(test.mean) if test else "",
        "95 %": score_texts.points_interval(test.low, test.high) if test else "",
        "n": f"{counted(test.n, 'run')} over {counted(test.groups, 'dataset')}" if test else "",
        "p": f"{found.p:.2g}" if found.p is not None else "",
        "missing": found.reason,
    }
