"""Tested claims as a table."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.api.options import DEFAULT_RUNS
from bench.api.result_table import ResultTable, TablePart

if TYPE_CHECKING:
    import pandas as pd

    from bench.papers import ClaimResult


def claims_table(results: Sequence[ClaimResult], runs: Path) -> ResultTable[ClaimResult]:
    """One row per claim and board: the verdict, and the claim with its effect in percentage points or what is missing.

    `source` and the frame have the numbers: fractions with n, interval and p.
    """
    title = "Claims, each tested at 5 % on these runs; effects in percentage points"
    part = TablePart(title, [_row(found) for found in results], text=lambda: _commands(results, runs))
    return ResultTable(
        results,
        [part],
        json=lambda: [asdict(found) for found in results],
        frame=lambda: _frame(results),
    )


def _row(found: ClaimResult) -> dict[str, object]:
    """A claim with its numbers on a line of their own, or with what is missing."""
    from bench.analysis import score_texts

    test, setting, facts = found.test, found.setting, [_missing(found)[0]]
    if test is not None and test.standard_error is not None:
        reach = score_texts.points_interval(test.low, test.high)
        facts = [f"effect {score_texts.points(test.mean)} points", f"95 % {reach}" if reach else ""]
        facts += [f"{counted(test.n, 'run')} over {counted(test.groups, 'dataset')}"]
        facts += ["" if found.p is None else f"p {found.p:.2g}"]
        facts += [f"{setting.backbone}, {setting.shots_text}" if setting else ""]
    claim = f"{found.claim.id}: {found.claim.sentence}\n{', '.join(filter(None, facts))}"
    return {"verdict": str(found.verdict), "claim": claim}


def _missing(found: ClaimResult) -> tuple[str, str]:
    """What a claim lacks, and an indented command that adds it, or nothing."""
    what, _, rest = found.reason.partition(": `")
    command = rest.partition("`")[0]
    return what, f"  {command}" if command else ""


def _commands(results: Sequence[ClaimResult], runs: Path) -> str:
    where = "" if runs == Path(DEFAULT_RUNS) else f" --runs {shlex.quote(str(runs))}"
    commands = [f"{command}{where}" for found in results if (command := _missing(found)[1])]
    head = "Commands that add what is missing; write your datasets for DATASETS:"
    return "\n".join([head, *dict.fromkeys(commands)]) if commands else ""


def _frame(results: Sequence[ClaimResult]) -> pd.DataFrame:
    """One row per claim and board; effects are fractions."""
    import pandas as pd

    rows = []
    for found in results:
        test, setting = found.test, found.setting
        numbers = (test.mean, test.low, test.high, test.n, test.groups) if test else (None,) * 5
        names = ("effect", "low", "high", "n", "datasets")
        row: dict[str, object] = {
            "claim": found.claim.id,
            "sentence": found.claim.sentence,
            "verdict": str(found.verdict),
        }
        row |= dict(zip(names, numbers, strict=True)) | {"p": found.p, "missing": found.reason}
        rows.append(row | (setting.facts() if setting else {}))
    return pd.DataFrame(rows)
