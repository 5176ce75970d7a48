"""Tested claims as a table."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.api.options import DEFAULT_RUNS
from bench.score_texts import points, points_interval
from bench.table import Column, Row, Table

if TYPE_CHECKING:
    from bench.papers import ClaimResult


def claims_table(results: Sequence[ClaimResult], runs: Path) -> Table:
    """One row per claim and board: the verdict, and the claim with its effect or what is missing.

    Effects are fractions with n, interval and p, which are printed in percentage points.
    """
    rows = [_row(result) for result in results]
    return Table(
        rows,
        ["verdict", Column("claim", _text)],
        "Claims, each tested at 5 % on these runs; effects in percentage points",
        facts=lambda: [asdict(result) for result in results],
        below=lambda: _commands(rows, runs),
        source=tuple(results),
    )


def _row(result: ClaimResult) -> dict[str, object]:
    test, setting = result.test, result.setting
    row: dict[str, object] = {"claim": result.claim.id, "sentence": result.claim.sentence}
    row |= {"verdict": str(result.verdict), "board": setting.title if setting else None}
    names = {"effect": "mean", "low": "low", "high": "high", "n": "n", "datasets": "groups"}
    row |= {name: getattr(test, attribute, None) for name, attribute in names.items()}
    return row | {"p": result.p, "missing": result.reason} | (setting.facts() if setting else {})


def _text(row: Row) -> str:
    """A claim with its numbers on a line of their own, or with what is missing."""
    facts = [_missing(row)[0]]
    if row["p"] is not None:
        reach = points_interval(row["low"], row["high"])
        facts = [f"effect {points(row['effect'])} points", f"95 % {reach}" if reach else ""]
        facts += [f"{counted(row['n'], 'run')} over {counted(row['datasets'], 'dataset')}", f"p {row['p']:.2g}"]
        facts += [row["board"] or ""]
    return f"{row['claim']}: {row['sentence']}\n{', '.join(filter(None, facts))}"


def _missing(row: Row) -> tuple[str, str]:
    """What a claim lacks, and an indented command that adds it, or nothing."""
    what, _, rest = row["missing"].partition(": `")
    command = rest.partition("`")[0]
    return what, f"  {command}" if command else ""


def _commands(rows: Sequence[Row], runs: Path) -> str:
    where = "" if runs == Path(DEFAULT_RUNS) else f" --runs {shlex.quote(str(runs))}"
    commands = [f"{command}{where}" for row in rows if (command := _missing(row)[1])]
    head = "Commands that add what is missing; write your datasets for DATASETS:"
    return "\n".join([head, *dict.fromkeys(commands)]) if commands else ""
