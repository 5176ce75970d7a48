"""Puts the checks of a printed table together: which row is the claim, its gains, and what would settle them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bench.analysis import TRANSFER_PROTOCOLS, H, paired_average
from bench.errors import UsageError
from bench.extensions.paper_audit.baselines import baseline_of
from bench.extensions.paper_audit.chance import ChanceError, SeedsToSettle, chance_error, seeds_to_settle
from bench.extensions.paper_audit.findings import Audit, Gain, RowFindings
from bench.extensions.paper_audit.ledger import facts_of_methods
from bench.extensions.paper_audit.printed import SOURCE, PrintedRow, PrintedTable
from bench.extensions.paper_audit.spreads import seed_spreads
from bench.results import known_methods, simplified
from datasets_registry import BenchError, did_you_mean, get_dataset

SEEDS = 3
"""Seeds of a number whose source does not state them: those of CoOp and its successors."""


def audited(table: PrintedTable, claim: str | None = None, seeds: int | None = None) -> Audit:
    """The audit of a table that was read."""
    claimed, rival, chosen = _claim(table, claim)
    uncounted = tuple(name for name in table.averaged if "test" not in get_dataset(name).expected)
    if uncounted:
        rival = None
    used = seeds or table.seeds or SEEDS
    checked = table.arithmetic()
    gains = {row.label: _gains(table, claimed, row, used) for row in table.rows} if claimed and rival else {}
    rows = tuple(
        RowFindings(
            row.label,
            row.method,
            table.means(row),
            baseline_of(table, row),
            facts_of_methods().method(row.method).uses if row.method else None,
            gains.get(row.label, {}),
        )
        for row in table.rows
    )
    settle = _settle(table, claimed, rival, gains[rival.label], used) if claimed and rival else {}
    commands, missing = _commands(table, claimed, rival, settle, used) if claimed and rival else ((), ())
    return Audit(
        table=table,
        claim=claimed.label if claimed and rival else "",
        rival=rival.label if rival else "",
        chosen=chosen,
        rows=rows,
        checked=checked[0],
        arithmetic=tuple(checked[1]),
        seeds=used,
        seeds_stated=seeds is not None or table.seeds is not None,
        spread_source=seed_spreads(table.protocol, table.shots).source,
        settle=settle,
        commands=commands,
        missing=missing,
        uncounted=uncounted,
    )


def _claim(table: PrintedTable, wanted: str | None) -> tuple[PrintedRow | None, PrintedRow | None, str]:
    """The row whose gain is examined, the one that it is compared with, and why it is the claim.

    A row that is named is compared with the best other row, and so is a row without a paper. A row of this paper is
    compared with the best of other papers, and a method that the ledger lacks with the best that it has.
    """
    rows = table.complete
    if wanted is not None:
        named = [row for row in table.rows if simplified(wanted) in (simplified(row.label), simplified(row.method))]
        if not named:
            labels = [row.label for row in table.rows]
            near = did_you_mean(wanted, labels, most=1) or f" Its rows: {', '.join(labels)}."
            raise UsageError(f"The table has no row {wanted!r}.{near}")
        if named[0] not in rows:
            raise UsageError(f"The row {named[0].label!r} lacks a number, so its mean cannot be compared.")
        return named[0], next((row for row in rows if row is not named[0]), None), "as given"
    own = [row for row in rows if row.own] or [row for row in rows if not row.method]
    others = [row for row in rows if row not in own]
    if own and others:
        why = "this paper's method" if own[0].own else "not in the ledger, so taken as the paper's own"
        return own[0], others[0], why
    best = "the best row" if len(rows) == len(table.rows) else "the best row with all numbers"
    return (rows[0], rows[1], best) if len(rows) > 1 else (None, None, "")


def _gains(table: PrintedTable, claimed: PrintedRow, row: PrintedRow, seeds: int) -> dict[str, Gain]:
    ours, theirs = table.means(claimed), table.means(row)
    if row is claimed or not theirs:
        return {}
    found, known = {}, seed_spreads(table.protocol, table.shots).source
    for measure in table.measures:
        chance = _chance(table, measure, claimed, row)
        ends = chance.reach(seeds), chance.reach(math.inf)
        found[measure] = Gain(ours[measure] - theirs[measure], *ends, seeds_known=bool(known))
    return found


def _chance(table: PrintedTable, measure: str, first: PrintedRow, second: PrintedRow) -> ChanceError:
    """The chance error of the difference of two rows; H is linearised at their means, its halves are independent."""
    if measure != H:
        trained = sum(facts_of_methods().family(row.method) != "zero-shot" for row in (first, second))
        spreads, halves = seed_spreads(table.protocol, table.shots), len(table.splits)
        images = {name: get_dataset(name).expected["test"] / halves for name in table.averaged}
        values = {name: spreads.value(measure, name) or 0.0 for name in table.averaged}
        return chance_error(images, values, trained)
    means = [{split: value / 100 for split, value in table.means(row).items()} for row in (first, second)]
    base, new = (
        _chance(table, split, first, second).weighted(weight)
        for split, weight in paired_average.split_weights(means, H).items()
    )
    return base.plus(new)


def _settle(
    table: PrintedTable, claimed: PrintedRow, rival: PrintedRow, gains: Mapping[str, Gain], seeds: int
) -> dict[str, SeedsToSettle]:
    """The seeds that settle each gain that is within chance."""
    return {
        measure: seeds_to_settle(_chance(table, measure, claimed, rival), gain.points, seeds)
        for measure, gain in gains.items()
        if gain.seeds_known and not gain.beyond
    }


def _commands(
    table: PrintedTable, claimed: PrintedRow, rival: PrintedRow, settle: Mapping[str, SeedsToSettle], seeds: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The commands that run the comparison here, with the most seeds that a measure needs; and what cannot be run."""
    absent = [row for row in (claimed, rival) if not _runnable(row.method)]
    missing = tuple(
        f"{row.label} is not a method here; `-m fork:PATH` runs official code (`etl-bench doctor docs forks`)."
        for row in absent
    )
    needed = [one.everywhere for one in settle.values() if one.everywhere]
    methods = ",".join(row.method for row in (claimed, rival) if row not in absent)
    if not methods or (settle and not needed):
        return (), missing
    names = ",".join(table.averaged)
    datasets = [f"-d {SOURCE}", f"--targets {names}"] if table.protocol in TRANSFER_PROTOCOLS else [f"-d {names}"]
    words = [f"etl-bench run -m {methods}", *datasets, f"-b {table.backbone} --protocol {table.protocol}"]
    run = " ".join([*words, f"--shots {table.shots} --seeds {max([seeds, *needed])} --data-root FOLDER"])
    compare = () if absent else (f"etl-bench compare {claimed.method} {rival.method}",)
    return (run, *compare), missing


def _runnable(method: str) -> bool:
    try:
        return bool(method) and bool(known_methods().get(method))
    except BenchError:
        return False
